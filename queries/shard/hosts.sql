-- A chunk of received hosts, stored in one transaction (P4). New ones are copied straight into the
-- tables. The others are staged and merged; they are few, so they are passed as JSON, together with
-- their labels, groups and attributes.

-- name: HostsCopy :copyfrom
INSERT INTO afe_hosts (
    id, hostname, locked, leased, synch_id, status, invalid, protection, lock_time, dirty, lock_reason, shard_id
) VALUES (
    @id, @hostname, @locked, @leased, @synch_id, @status, @invalid, @protection, @lock_time, @dirty, @lock_reason, @shard_id
);

-- name: HostLabelsCopy :copyfrom
INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (@host_id, @label_id);

-- name: HostGroupsCopy :copyfrom
INSERT INTO afe_acl_groups_hosts (aclgroup_id, host_id) VALUES (@aclgroup_id, @host_id);

-- name: HostAttributesCopy :copyfrom
INSERT INTO afe_host_attributes (host_id, attribute, value) VALUES (@host_id, @attribute, @value);

-- The hosts of a chunk that are not simply new: their id or their name is here, or was taken, or
-- another one of the chunk has the same name.
-- name: HostsFind :many
SELECT s.id::bigint AS id
FROM ROWS FROM (pg_catalog.unnest(@ids::bigint[]), pg_catalog.unnest(@hostnames::text[])) AS s (id, hostname)
WHERE (SELECT true FROM afe_hosts AS here WHERE here.id = s.id)
    OR (SELECT true FROM afe_hosts AS holder WHERE holder.hostname = s.hostname)
    OR (SELECT true FROM shard_client_taken AS t WHERE t.kind = 'host' AND t.object_id = s.id)
    OR s.hostname IN (
        SELECT twice.hostname
        FROM pg_catalog.unnest(@hostnames::text[]) AS twice (hostname)
        GROUP BY twice.hostname
        HAVING pg_catalog.count(*) > 1
    );

-- Of hosts that are here, finds those for which anything is to be written: that have another name
-- or differ in what the master may change, or stand in the quarantine or among the taken ids. The
-- attributes of a host come as the keyvals of a job do, see JobsToStore. No id of the master is 0
-- or less, so 0 stands for NULL.
-- name: HostsToStore :many
SELECT s.id::bigint AS id
FROM ROWS FROM (
    pg_catalog.unnest(@ids::bigint[]), pg_catalog.unnest(@hostnames::text[]),
    pg_catalog.unnest(@invalid_sent::boolean[]), pg_catalog.unnest(@invalid::boolean[]),
    pg_catalog.unnest(@shard_sent::boolean[]), pg_catalog.unnest(@shard_ids::bigint[]),
    pg_catalog.unnest(@attribute_counts::bigint[]), pg_catalog.unnest(@attributes::text[])
) AS s (id, hostname, invalid_sent, invalid, shard_sent, shard_id, attribute_count, attributes)
WHERE (
        SELECT pg_catalog.lower(here.hostname) = pg_catalog.lower(s.hostname)
            AND (NOT s.invalid_sent OR here.invalid = s.invalid)
            AND (NOT s.shard_sent OR coalesce(here.shard_id, 0) = s.shard_id)
        FROM afe_hosts AS here
        WHERE here.id = s.id
    ) IS NOT TRUE
    OR s.attribute_count >= 0
    AND (
        SELECT pg_catalog.count(*) = s.attribute_count AND coalesce(pg_catalog.string_agg(a.attribute || E'\x1f' || a.value, E'\x1e'), '') = s.attributes
        FROM afe_host_attributes AS a
        WHERE a.host_id = s.id
    ) IS NOT TRUE
    AND (
        SELECT pg_catalog.count(*) = s.attribute_count AND pg_catalog.array_agg(a.attribute || E'\x1f' || a.value ORDER BY (a.attribute || E'\x1f' || a.value) COLLATE "C") = (
            SELECT pg_catalog.array_agg(p.text ORDER BY p.text COLLATE "C")
            FROM pg_catalog.unnest(pg_catalog.string_to_array(s.attributes, E'\x1e')) AS p (text)
        )
        FROM afe_host_attributes AS a
        WHERE a.host_id = s.id
    ) IS NOT TRUE
UNION ALL
SELECT s.host_id
FROM ROWS FROM (pg_catalog.unnest(@label_hosts::bigint[]), pg_catalog.unnest(@labels::bigint[])) AS s (host_id, label_id)
WHERE (SELECT true FROM afe_hosts_labels AS same WHERE same.host_id = s.host_id AND same.label_id = s.label_id) IS NULL
UNION ALL
SELECT s.host_id
FROM ROWS FROM (pg_catalog.unnest(@group_hosts::bigint[]), pg_catalog.unnest(@aclgroups::bigint[])) AS s (host_id, aclgroup_id)
WHERE (SELECT true FROM afe_acl_groups_hosts AS same WHERE same.aclgroup_id = s.aclgroup_id AND same.host_id = s.host_id) IS NULL
UNION ALL
SELECT q.object_id
FROM shard_client_quarantine AS q
WHERE q.direction = 'in' AND q.kind = 'host' AND q.object_id = ANY (@ids::bigint[])
UNION ALL
SELECT t.object_id
FROM shard_client_taken AS t
WHERE t.kind = 'host' AND t.object_id = ANY (@ids::bigint[]);

-- shard_sent tells a key that is missing, and so was not sent, from a null, which was sent.
-- name: StageHosts :execrows
INSERT INTO shard_client_staged_hosts (
    id, hostname, locked, leased, synch_id, status, invalid, protection, lock_time, dirty,
    lock_reason, shard_sent, shard_id
)
SELECT
    h.id, h.hostname, h.locked, h.leased, h.synch_id, h.status, h.invalid, h.protection, h.lock_time, h.dirty,
    h.lock_reason, s.host -> 'shard' IS NOT NULL, (h.shard ->> 'id')::bigint
FROM pg_catalog.json_array_elements(@hosts::json) AS s (host)
CROSS JOIN pg_catalog.json_to_record(s.host) AS h (
    id bigint, hostname text, locked boolean, leased boolean, synch_id bigint, status text, invalid boolean,
    protection integer, lock_time timestamp, dirty boolean, lock_reason text, shard json
);

-- Finds the hosts that cannot be stored. Either the master has given their id to another host than
-- the one that is here: a host is known by its name, in whatever case, or by the name that it was
-- left with when it gave its own away. Or they need a name which a valid host has here, or which an
-- earlier host of the chunk needs, too. A host that exists keeps its local name, unless it once had
-- to give its name away; an invalid host can do without its name.
--
-- Forgets that the id of a host was taken, when the master has sent the host as it is here.
-- name: HostsRefused :many
WITH sent AS (
    SELECT s.id, s.hostname, s.invalid, s.place
    FROM ROWS FROM (pg_catalog.unnest(@ids::bigint[]), pg_catalog.unnest(@hostnames::text[]), pg_catalog.unnest(@invalid::boolean[]))
        WITH ORDINALITY AS s (id, hostname, invalid, place)
),
taken AS (
    SELECT
        s.id,
        pg_catalog.format('the master gave its id to another host: %s; the host here is %s', pg_catalog.left(s.hostname, 200), pg_catalog.left(here.hostname, 200)) AS reason
    FROM sent AS s
    JOIN afe_hosts AS here ON here.id = s.id
    WHERE pg_catalog.lower(here.hostname) NOT IN (pg_catalog.lower(s.hostname), pg_catalog.lower(s.hostname || ' (was id ' || s.id::text || ')'))
),
given_back AS (
    DELETE FROM shard_client_taken AS here
    USING sent AS s
    WHERE here.kind = 'host'
        AND here.object_id = s.id
        AND NOT EXISTS (SELECT FROM taken AS t WHERE t.id = s.id)
),
claim AS (
    SELECT s.id, s.hostname, pg_catalog.first_value(s.id) OVER (PARTITION BY s.hostname ORDER BY s.place) AS first_id
    FROM sent AS s
    LEFT JOIN afe_hosts AS here ON here.id = s.id
    WHERE NOT s.invalid
        AND NOT EXISTS (SELECT FROM taken AS t WHERE t.id = s.id)
        AND (here.id IS NULL OR here.hostname = s.hostname || ' (was id ' || s.id::text || ')')
)
SELECT t.id::bigint AS id, 'host_taken'::text AS code, t.reason::text AS reason
FROM taken AS t
UNION ALL
SELECT
    c.id,
    'name_taken' AS code,
    CASE
        WHEN holder.id IS NULL THEN 'its hostname belongs to host ' || c.first_id::text || ', which came first in this response'
        ELSE 'its hostname belongs to host ' || holder.id::text || ' here, which is valid'
    END
FROM claim AS c
LEFT JOIN afe_hosts AS holder ON holder.hostname = c.hostname AND holder.id <> c.id AND NOT holder.invalid
WHERE holder.id IS NOT NULL OR c.first_id <> c.id
ORDER BY id;

-- Finds the valid holders of names that hosts of the chunk need, of which the master has said that
-- it does not have them: a host that was added again has a new id there. The master says so with
-- Django's exception when it refuses a packet that names the host as known, and that is why the
-- host was set aside.
-- name: HostsReplaced :many
SELECT holder.id
FROM ROWS FROM (pg_catalog.unnest(@ids::bigint[]), pg_catalog.unnest(@hostnames::text[]), pg_catalog.unnest(@invalid::boolean[])) AS s (id, hostname, invalid)
JOIN afe_hosts AS holder ON holder.hostname = s.hostname AND holder.id <> s.id AND NOT holder.invalid
JOIN shard_client_quarantine AS q ON q.direction = 'out' AND q.kind = 'host' AND q.object_id = holder.id
WHERE NOT s.invalid AND pg_catalog.starts_with(q.reason, 'DoesNotExist: ')
ORDER BY holder.id;

-- Renames the invalid holders of names that hosts of the chunk need.
-- name: HostGiveWay :execrows
UPDATE afe_hosts AS holder
SET hostname = holder.hostname || ' (was id ' || holder.id::text || ')'
FROM shard_client_staged_hosts AS s
LEFT JOIN afe_hosts AS here ON here.id = s.id
WHERE holder.hostname = s.hostname
    AND holder.id <> s.id
    AND holder.invalid
    AND s.invalid IS NOT TRUE
    AND (here.id IS NULL OR here.hostname = s.hostname || ' (was id ' || s.id::text || ')');

-- P5: of a host that exists, the master may change only invalid and shard_id. A name that the host
-- had to give away comes back to it, unless another host has it.
-- name: HostUpdate :one
WITH sent AS MATERIALIZED (
    SELECT
        staged.*,
        was.hostname = staged.hostname || ' (was id ' || staged.id::text || ')'
            AND NOT EXISTS (SELECT FROM afe_hosts AS holder WHERE holder.hostname = staged.hostname) AS named_again
    FROM shard_client_staged_hosts AS staged
    JOIN afe_hosts AS was ON was.id = staged.id
),
wanted AS (
    SELECT s.id, s.invalid, s.shard_sent, s.shard_id, s.hostname, s.named_again
    FROM sent AS s
    JOIN afe_hosts AS here ON here.id = s.id
    WHERE here.invalid <> coalesce(s.invalid, here.invalid)
        OR (s.shard_sent AND here.shard_id IS DISTINCT FROM s.shard_id)
        OR s.named_again
),
updated AS (
    UPDATE afe_hosts AS here
    SET
        invalid = coalesce(w.invalid, here.invalid),
        shard_id = CASE WHEN w.shard_sent THEN w.shard_id ELSE here.shard_id END,
        hostname = CASE WHEN w.named_again THEN w.hostname ELSE here.hostname END
    FROM wanted AS w
    WHERE here.id = w.id
    RETURNING here.id
)
SELECT ((SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM updated))::bigint AS missing;

-- A newcomer whose name still belongs to another host is invalid, and is stored under another name
-- only so that entries can refer to it. Hosts that are here are left out, as everywhere: ON
-- CONFLICT DO NOTHING would wait for a session that is changing one of them.
-- name: HostInsert :one
WITH wanted AS (
    SELECT s.*
    FROM shard_client_staged_hosts AS s
    WHERE NOT EXISTS (SELECT FROM afe_hosts AS same WHERE same.id = s.id)
),
stored AS (
    INSERT INTO afe_hosts (
        id, hostname, locked, leased, synch_id, status, invalid, protection, lock_time, dirty,
        lock_reason, shard_id
    )
    SELECT
        s.id,
        CASE
            WHEN EXISTS (SELECT FROM afe_hosts AS holder WHERE holder.hostname = s.hostname)
                THEN s.hostname || ' (was id ' || s.id::text || ')'
            ELSE s.hostname
        END,
        s.locked, s.leased, s.synch_id, s.status, coalesce(s.invalid, false), s.protection,
        s.lock_time, s.dirty, s.lock_reason, s.shard_id
    FROM wanted AS s
    ORDER BY s.id
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
SELECT ((SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM stored))::bigint AS missing;

-- name: StagedHostsClear :execrows
DELETE FROM shard_client_staged_hosts;

-- name: HostAddLabels :one
WITH wanted AS (
    SELECT DISTINCT h.id::bigint AS host_id, l.id::bigint AS label_id
    FROM pg_catalog.json_to_recordset(@hosts::json) AS h (id bigint, labels json)
    CROSS JOIN pg_catalog.json_to_recordset(h.labels) AS l (id bigint)
    WHERE NOT EXISTS (SELECT FROM afe_hosts_labels AS same WHERE same.host_id = h.id AND same.label_id = l.id)
),
stored AS (
    INSERT INTO afe_hosts_labels (host_id, label_id)
    SELECT w.host_id, w.label_id
    FROM wanted AS w
    ORDER BY w.host_id, w.label_id
    ON CONFLICT (host_id, label_id) DO NOTHING
    RETURNING host_id
)
SELECT ((SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM stored))::bigint AS missing;

-- name: HostAddACLGroups :one
WITH wanted AS (
    SELECT DISTINCT g.id::bigint AS aclgroup_id, h.id::bigint AS host_id
    FROM pg_catalog.json_to_recordset(@hosts::json) AS h (id bigint, aclgroup_set json)
    CROSS JOIN pg_catalog.json_to_recordset(h.aclgroup_set) AS g (id bigint)
    WHERE NOT EXISTS (SELECT FROM afe_acl_groups_hosts AS same WHERE same.aclgroup_id = g.id AND same.host_id = h.id)
),
stored AS (
    INSERT INTO afe_acl_groups_hosts (aclgroup_id, host_id)
    SELECT w.aclgroup_id, w.host_id
    FROM wanted AS w
    ORDER BY w.aclgroup_id, w.host_id
    ON CONFLICT (aclgroup_id, host_id) DO NOTHING
    RETURNING host_id
)
SELECT ((SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM stored))::bigint AS missing;

-- Replaces the attributes of those hosts that came with a list of attributes. The lists are
-- multisets; rows that stay the same are not touched.
-- name: HostReplaceAttributes :one
WITH sent AS (
    SELECT h.id::bigint AS host_id, a.attribute::text AS attribute, a.value::text AS value,
        pg_catalog.row_number() OVER (PARTITION BY h.id, a.attribute, a.value) AS copy
    FROM pg_catalog.json_to_recordset(@hosts::json) AS h (id bigint, hostattribute_set json)
    CROSS JOIN pg_catalog.json_to_recordset(h.hostattribute_set) AS a (attribute text, value text)
),
here AS (
    SELECT a.id, a.host_id, a.attribute, a.value,
        pg_catalog.row_number() OVER (PARTITION BY a.host_id, a.attribute, a.value ORDER BY a.id) AS copy
    FROM afe_host_attributes AS a
    WHERE a.host_id IN (
        SELECT r.id FROM pg_catalog.json_to_recordset(@hosts::json) AS r (id bigint, hostattribute_set json)
        WHERE r.hostattribute_set IS NOT NULL
    )
),
unwanted AS (
    SELECT h.id
    FROM here AS h
    WHERE NOT EXISTS (
        SELECT FROM sent AS s
        WHERE (s.host_id, s.attribute, s.value, s.copy) = (h.host_id, h.attribute, h.value, h.copy)
    )
),
removed AS (
    DELETE FROM afe_host_attributes AS a
    USING unwanted AS u
    WHERE a.id = u.id
    RETURNING a.id
),
wanted AS (
    SELECT s.host_id, s.attribute, s.value
    FROM sent AS s
    WHERE NOT EXISTS (
        SELECT FROM here AS h
        WHERE (h.host_id, h.attribute, h.value, h.copy) = (s.host_id, s.attribute, s.value, s.copy)
    )
),
stored AS (
    INSERT INTO afe_host_attributes (host_id, attribute, value)
    SELECT w.host_id, w.attribute, w.value
    FROM wanted AS w
    ORDER BY w.host_id, w.attribute, w.value
    RETURNING id
)
SELECT ((SELECT pg_catalog.count(*) FROM unwanted) - (SELECT pg_catalog.count(*) FROM removed)
    + (SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM stored))::bigint AS missing;

-- Invalidates the hosts that the master says are not ours, and passes over unknown and already
-- invalid ones (docs/promises.md, "hosts removed twice"). Their open entries are marked aborted,
-- which the scheduler carries out. Hosts are locked before entries, as when they are stored: the
-- last condition makes the entries wait for the hosts.
-- name: IncorrectHostsRemove :one
WITH valid AS (
    SELECT h.id FROM afe_hosts AS h WHERE h.id = ANY (@ids::bigint[]) AND NOT h.invalid
),
invalidated AS (
    UPDATE afe_hosts AS h
    SET invalid = true
    FROM valid AS v
    WHERE h.id = v.id
    RETURNING h.id
),
labels AS (
    DELETE FROM afe_hosts_labels WHERE host_id = ANY (@ids::bigint[])
),
acl_groups AS (
    DELETE FROM afe_acl_groups_hosts WHERE host_id = ANY (@ids::bigint[])
),
attributes AS (
    DELETE FROM afe_host_attributes WHERE host_id = ANY (@ids::bigint[])
),
open AS (
    SELECT e.id
    FROM afe_host_queue_entries AS e
    WHERE e.host_id = ANY (@ids::bigint[]) AND NOT e.complete AND NOT e.aborted
),
ended AS (
    UPDATE afe_host_queue_entries AS e
    SET aborted = true
    FROM open AS o
    WHERE e.id = o.id AND NOT e.complete AND (SELECT pg_catalog.count(*) FROM invalidated) >= 0
    RETURNING e.id
)
SELECT ((SELECT pg_catalog.count(*) FROM valid) - (SELECT pg_catalog.count(*) FROM invalidated)
    + (SELECT pg_catalog.count(*) FROM open) - (SELECT pg_catalog.count(*) FROM ended))::bigint AS missing;
