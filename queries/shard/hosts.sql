-- A chunk of received hosts, staged and merged in one transaction (P4). Hosts are
-- few: they, and what hangs on them, travel as JSON.

-- A key that was not sent is missing; a null was sent.
-- name: StageHosts :execrows
INSERT INTO shard_client_staged_hosts (
    id, hostname, locked, leased, synch_id, status, invalid, protection, lock_time, dirty,
    lock_reason, shard_sent, shard_id
)
SELECT
    h.id, h.hostname, h.locked, h.leased, h.synch_id, h.status, h.invalid, h.protection, h.lock_time, h.dirty,
    h.lock_reason, s.host -> 'shard' IS NOT NULL, (h.shard ->> 'id')::bigint
FROM json_array_elements(@hosts::json) AS s (host)
CROSS JOIN json_to_record(s.host) AS h (
    id bigint, hostname text, locked boolean, leased boolean, synch_id bigint, status text, invalid boolean,
    protection integer, lock_time timestamp, dirty boolean, lock_reason text, shard json
);

-- Hosts that would need a name which a valid host holds here, or which another
-- one of the chunk needs, too, and came first. A host that exists keeps its local
-- name, unless it once had to give it away; an invalid one can do without.
-- name: HostsRefused :many
WITH claim AS (
    SELECT s.id, s.hostname, first_value(s.id) OVER (PARTITION BY s.hostname ORDER BY s.place) AS first_id
    FROM ROWS FROM (unnest(@ids::bigint[]), unnest(@hostnames::text[]), unnest(@invalid::boolean[]))
        WITH ORDINALITY AS s (id, hostname, invalid, place)
    LEFT JOIN afe_hosts AS here ON here.id = s.id
    WHERE NOT s.invalid AND (here.id IS NULL OR here.hostname = s.hostname || ' (was id ' || s.id || ')')
)
SELECT
    c.id::bigint AS id,
    'name_taken'::text AS code,
    CASE
        WHEN holder.id IS NULL THEN 'its hostname belongs to host ' || c.first_id || ', which came first in this response'
        ELSE 'its hostname belongs to host ' || holder.id || ' here, which is valid'
    END::text AS reason
FROM claim AS c
LEFT JOIN afe_hosts AS holder ON holder.hostname = c.hostname AND holder.id <> c.id AND NOT holder.invalid
WHERE holder.id IS NOT NULL OR c.first_id <> c.id
ORDER BY c.id;

-- name: HostGiveWay :execrows
UPDATE afe_hosts AS holder
SET hostname = holder.hostname || ' (was id ' || holder.id || ')'
FROM shard_client_staged_hosts AS s
LEFT JOIN afe_hosts AS here ON here.id = s.id
WHERE holder.hostname = s.hostname
    AND holder.id <> s.id
    AND holder.invalid
    AND s.invalid IS NOT TRUE
    AND (here.id IS NULL OR here.hostname = s.hostname || ' (was id ' || s.id || ')');

-- P5: of a host that exists the master may change invalid and shard_id only. A
-- name that it had to give away comes back to it, unless another one has it.
-- name: HostUpdate :execrows
UPDATE afe_hosts AS here
SET
    invalid = coalesce(s.invalid, here.invalid),
    shard_id = CASE WHEN s.shard_sent THEN s.shard_id ELSE here.shard_id END,
    hostname = CASE WHEN s.named_again THEN s.hostname ELSE here.hostname END
FROM (
    SELECT
        staged.*,
        was.hostname = staged.hostname || ' (was id ' || staged.id || ')'
            AND NOT EXISTS (SELECT FROM afe_hosts AS holder WHERE holder.hostname = staged.hostname) AS named_again
    FROM shard_client_staged_hosts AS staged
    JOIN afe_hosts AS was ON was.id = staged.id
) AS s
WHERE here.id = s.id
    AND (
        here.invalid <> coalesce(s.invalid, here.invalid)
        OR (s.shard_sent AND here.shard_id IS DISTINCT FROM s.shard_id)
        OR s.named_again
    );

-- A name that still belongs to another one is that one's: then the newcomer is
-- invalid, and only kept so that entries can name it.
-- name: HostInsert :execrows
INSERT INTO afe_hosts (
    id, hostname, locked, leased, synch_id, status, invalid, protection, lock_time, dirty,
    lock_reason, shard_id
)
SELECT
    s.id,
    CASE
        WHEN EXISTS (SELECT FROM afe_hosts AS holder WHERE holder.hostname = s.hostname)
            THEN s.hostname || ' (was id ' || s.id || ')'
        ELSE s.hostname
    END,
    s.locked, s.leased, s.synch_id, s.status, coalesce(s.invalid, false), s.protection,
    s.lock_time, s.dirty, s.lock_reason, s.shard_id
FROM shard_client_staged_hosts AS s
ORDER BY s.id
ON CONFLICT (id) DO NOTHING;

-- name: StagedHostsClear :execrows
DELETE FROM shard_client_staged_hosts;

-- name: HostAddLabels :execrows
INSERT INTO afe_hosts_labels (host_id, label_id)
SELECT h.id, l.id
FROM json_to_recordset(@hosts::json) AS h (id bigint, labels json)
CROSS JOIN json_to_recordset(h.labels) AS l (id bigint)
ORDER BY h.id, l.id
ON CONFLICT (host_id, label_id) DO NOTHING;

-- name: HostAddACLGroups :execrows
INSERT INTO afe_acl_groups_hosts (aclgroup_id, host_id)
SELECT g.id, h.id
FROM json_to_recordset(@hosts::json) AS h (id bigint, aclgroup_set json)
CROSS JOIN json_to_recordset(h.aclgroup_set) AS g (id bigint)
ORDER BY g.id, h.id
ON CONFLICT (aclgroup_id, host_id) DO NOTHING;

-- Replaces the attributes of the hosts that came with attributes by those sent,
-- as multisets; rows that stay the same are not touched.
-- name: HostReplaceAttributes :execrows
WITH sent AS (
    SELECT h.id::bigint AS host_id, a.attribute::text AS attribute, a.value::text AS value,
        row_number() OVER (PARTITION BY h.id, a.attribute, a.value) AS copy
    FROM json_to_recordset(@hosts::json) AS h (id bigint, hostattribute_set json)
    CROSS JOIN json_to_recordset(h.hostattribute_set) AS a (attribute text, value text)
),
here AS (
    SELECT a.id, a.host_id, a.attribute, a.value,
        row_number() OVER (PARTITION BY a.host_id, a.attribute, a.value ORDER BY a.id) AS copy
    FROM afe_host_attributes AS a
    WHERE a.host_id IN (
        SELECT r.id FROM json_to_recordset(@hosts::json) AS r (id bigint, hostattribute_set json)
        WHERE r.hostattribute_set IS NOT NULL
    )
),
removed AS (
    DELETE FROM afe_host_attributes AS a
    USING here AS h
    WHERE a.id = h.id
        AND NOT EXISTS (
            SELECT FROM sent AS s
            WHERE (s.host_id, s.attribute, s.value, s.copy) = (h.host_id, h.attribute, h.value, h.copy)
        )
)
INSERT INTO afe_host_attributes (host_id, attribute, value)
SELECT s.host_id, s.attribute, s.value
FROM sent AS s
WHERE NOT EXISTS (
    SELECT FROM here AS h
    WHERE (h.host_id, h.attribute, h.value, h.copy) = (s.host_id, s.attribute, s.value, s.copy)
)
ORDER BY s.host_id, s.attribute, s.value;

-- Hosts that the master says are not ours. Unknown and already invalid ones are
-- silently passed over (docs/decisions.md, 2018). Their open entries are aborted, which
-- the scheduler carries out. Hosts before entries, as storing takes its locks: the
-- last condition makes the one wait for the other.
-- name: IncorrectHostsRemove :execrows
WITH invalidated AS (
    UPDATE afe_hosts
    SET invalid = true
    WHERE id = ANY (@ids::bigint[]) AND NOT invalid
    RETURNING id
),
labels AS (
    DELETE FROM afe_hosts_labels WHERE host_id = ANY (@ids::bigint[])
),
acl_groups AS (
    DELETE FROM afe_acl_groups_hosts WHERE host_id = ANY (@ids::bigint[])
),
attributes AS (
    DELETE FROM afe_host_attributes WHERE host_id = ANY (@ids::bigint[])
)
UPDATE afe_host_queue_entries
SET aborted = true
WHERE host_id = ANY (@ids::bigint[]) AND NOT complete AND NOT aborted
    AND (SELECT count(*) FROM invalidated) >= 0;
