-- What a step needs of rows that are here, locked before it writes anything. Each statement passes
-- over the rows that another session has locked, locks all others, and returns the objects that
-- cannot be stored now, each with a row that is in the way. The step then leaves these objects out.
-- So a locked row holds up only what needs it; and because a step never waits for a row while it
-- holds others, it takes part in no deadlock, of which PostgreSQL might end the scheduler's side.
--
-- The conditions are those of the statements that write: a row that stays as it is, is not locked.
-- A key that is only referred to is locked FOR KEY SHARE, as the foreign key does it; only DELETE,
-- a new key and SELECT FOR UPDATE are in the way of that.

-- Bounds every other wait for a lock in this transaction, such as that for a table which somebody
-- has locked. It stays below half of statement_timeout, so that a wait for a lock can be told from
-- a statement that has too much to do. JIT is off because the staging tables, which are empty
-- between two beats, make PostgreSQL expect much work; compiling took half a second for two hosts.
-- name: WriteBoundsSet :exec
SELECT
    pg_catalog.set_config('jit', 'off', true),
    pg_catalog.set_config(
        'lock_timeout',
        CASE
            WHEN t.statement > 0 THEN greatest(1, least(@milliseconds::bigint, t.statement / 2))
            ELSE @milliseconds::bigint
        END::text,
        true
    )
FROM (
    SELECT (1000 * extract(epoch FROM pg_catalog.current_setting('statement_timeout')::interval))::bigint AS statement
) AS t;

-- Parents that are to be renamed or whose name another one needs, and the groups and users of new
-- memberships. What is returned is also taken out of the staging table.
-- name: ParentsLock :many
WITH member AS MATERIALIZED (
    SELECT s.aclgroup_id, s.user_id
    FROM ROWS FROM (pg_catalog.unnest(@aclgroup_ids::bigint[]), pg_catalog.unnest(@user_ids::bigint[])) AS s (aclgroup_id, user_id)
    WHERE NOT EXISTS (
        SELECT FROM afe_acl_groups_users AS same
        WHERE same.aclgroup_id = s.aclgroup_id AND same.user_id = s.user_id
    )
),
need (kind, id, of_table, row_id, strength) AS MATERIALIZED (
    SELECT s.kind, s.id, 'afe_shards'::regclass, here.id, 'UPDATE'
    FROM shard_client_staged_parents AS s
    JOIN afe_shards AS here ON here.id = s.id AND here.hostname <> s.name
    WHERE s.kind = 'shard'
    UNION ALL
    SELECT s.kind, s.id, 'afe_shards'::regclass, here.id, 'UPDATE'
    FROM shard_client_staged_parents AS s
    JOIN afe_shards AS here ON here.hostname = s.name AND here.id <> s.id
    WHERE s.kind = 'shard'
    UNION ALL
    SELECT s.kind, s.id, 'afe_labels'::regclass, here.id, 'UPDATE'
    FROM shard_client_staged_parents AS s
    JOIN afe_labels AS here ON here.id = s.id AND here.name <> s.name
    WHERE s.kind = 'label'
    UNION ALL
    SELECT s.kind, s.id, 'afe_labels'::regclass, here.id, 'UPDATE'
    FROM shard_client_staged_parents AS s
    JOIN afe_labels AS here ON here.name = s.name AND here.id <> s.id
    WHERE s.kind = 'label'
    UNION ALL
    SELECT s.kind, s.id, 'afe_acl_groups'::regclass, here.id, 'UPDATE'
    FROM shard_client_staged_parents AS s
    JOIN afe_acl_groups AS here ON here.id = s.id AND here.name <> s.name
    WHERE s.kind = 'acl_group'
    UNION ALL
    SELECT s.kind, s.id, 'afe_acl_groups'::regclass, here.id, 'UPDATE'
    FROM shard_client_staged_parents AS s
    JOIN afe_acl_groups AS here ON here.name = s.name AND here.id <> s.id
    WHERE s.kind = 'acl_group'
    UNION ALL
    SELECT s.kind, s.id, 'afe_users'::regclass, here.id, 'UPDATE'
    FROM shard_client_staged_parents AS s
    JOIN afe_users AS here ON here.id = s.id AND here.login <> s.name
    WHERE s.kind = 'user'
    UNION ALL
    SELECT s.kind, s.id, 'afe_users'::regclass, here.id, 'UPDATE'
    FROM shard_client_staged_parents AS s
    JOIN afe_users AS here ON here.login = s.name AND here.id <> s.id
    WHERE s.kind = 'user'
    UNION ALL
    SELECT 'acl_group', m.aclgroup_id, 'afe_acl_groups'::regclass, m.aclgroup_id, 'KEY SHARE'
    FROM member AS m
    UNION ALL
    SELECT 'user', m.user_id, 'afe_users'::regclass, m.user_id, 'KEY SHARE'
    FROM member AS m
),
locked AS MATERIALIZED (
    SELECT n.of_table, n.strength, x.id AS row_id
    FROM (SELECT of_table, strength, pg_catalog.array_agg(row_id) AS ids FROM need GROUP BY of_table, strength) AS n
    CROSS JOIN LATERAL shard_client_locked(n.of_table, n.strength, n.ids) AS x (id)
),
left_out AS MATERIALIZED (
    SELECT DISTINCT ON (n.kind, n.id) n.kind, n.id, n.of_table::text || ' ' || n.row_id::text AS reason
    FROM need AS n
    JOIN locked AS l ON l.of_table = n.of_table AND l.strength = n.strength AND l.row_id = n.row_id
    ORDER BY n.kind, n.id, n.row_id
),
unstaged AS (
    DELETE FROM shard_client_staged_parents AS s
    USING left_out AS o
    WHERE s.kind = o.kind AND s.id = o.id
)
SELECT o.kind::text AS kind, o.id::bigint AS id, o.reason::text AS reason
FROM left_out AS o;

-- Locks the hosts, open jobs and labels of a shard that has a new id, or fails at once: of a shard
-- that moves, nothing may stay behind.
-- name: ShardMoveLock :execrows
WITH hosts AS MATERIALIZED (
    SELECT h.id
    FROM shard_client_staged_parents AS s
    JOIN afe_hosts AS h ON h.shard_id = s.old_id AND NOT h.invalid
    WHERE s.kind = 'shard'
    FOR NO KEY UPDATE OF h NOWAIT
),
jobs AS MATERIALIZED (
    SELECT j.id
    FROM shard_client_staged_parents AS s
    JOIN afe_jobs AS j ON j.shard_id = s.old_id
    WHERE s.kind = 'shard'
        AND j.id IN (SELECT e.job_id FROM afe_host_queue_entries AS e WHERE NOT e.complete)
    FOR NO KEY UPDATE OF j NOWAIT
),
labels AS MATERIALIZED (
    SELECT sl.id
    FROM shard_client_staged_parents AS s
    JOIN afe_shards_labels AS sl ON sl.shard_id = s.old_id
    WHERE s.kind = 'shard'
    FOR NO KEY UPDATE OF sl NOWAIT
)
SELECT pg_catalog.count(*) FROM (SELECT FROM hosts UNION ALL SELECT FROM jobs UNION ALL SELECT FROM labels) AS locked;

-- name: HostsLock :many
WITH sent AS MATERIALIZED (
    SELECT
        h.id::bigint AS id, h.labels::json AS labels,
        h.aclgroup_set::json AS aclgroup_set, h.hostattribute_set::json AS hostattribute_set
    FROM pg_catalog.json_to_recordset(@hosts::json) AS h (id bigint, labels json, aclgroup_set json, hostattribute_set json)
),
need (id, of_table, row_id, strength) AS MATERIALIZED (
    SELECT s.id, 'afe_hosts'::regclass, here.id, 'NO KEY UPDATE'
    FROM shard_client_staged_hosts AS s
    JOIN afe_hosts AS here ON here.id = s.id
    WHERE here.invalid <> coalesce(s.invalid, here.invalid)
        OR (s.shard_sent AND here.shard_id IS DISTINCT FROM s.shard_id)
    UNION ALL
    -- A host that gets its name back.
    SELECT s.id, 'afe_hosts'::regclass, here.id, 'UPDATE'
    FROM shard_client_staged_hosts AS s
    JOIN afe_hosts AS here ON here.id = s.id AND here.hostname = s.hostname || ' (was id ' || s.id::text || ')'
    UNION ALL
    -- The invalid holder of a name that a host needs.
    SELECT s.id, 'afe_hosts'::regclass, holder.id, 'UPDATE'
    FROM shard_client_staged_hosts AS s
    JOIN afe_hosts AS holder ON holder.hostname = s.hostname AND holder.id <> s.id AND holder.invalid
    LEFT JOIN afe_hosts AS here ON here.id = s.id
    WHERE s.invalid IS NOT TRUE AND (here.id IS NULL OR here.hostname = s.hostname || ' (was id ' || s.id::text || ')')
    UNION ALL
    SELECT s.id, 'afe_shards'::regclass, s.shard_id, 'KEY SHARE'
    FROM shard_client_staged_hosts AS s
    LEFT JOIN afe_hosts AS here ON here.id = s.id
    WHERE s.shard_id IS NOT NULL AND here.shard_id IS DISTINCT FROM s.shard_id
    UNION ALL
    SELECT s.id, referred.of_table, referred.row_id, 'KEY SHARE'
    FROM sent AS s
    CROSS JOIN pg_catalog.json_to_recordset(s.labels) AS l (id bigint)
    CROSS JOIN LATERAL (VALUES ('afe_labels'::regclass, l.id), ('afe_hosts'::regclass, s.id)) AS referred (of_table, row_id)
    WHERE NOT EXISTS (SELECT FROM afe_hosts_labels AS same WHERE same.host_id = s.id AND same.label_id = l.id)
    UNION ALL
    SELECT s.id, referred.of_table, referred.row_id, 'KEY SHARE'
    FROM sent AS s
    CROSS JOIN pg_catalog.json_to_recordset(s.aclgroup_set) AS g (id bigint)
    CROSS JOIN LATERAL (VALUES ('afe_acl_groups'::regclass, g.id), ('afe_hosts'::regclass, s.id)) AS referred (of_table, row_id)
    WHERE NOT EXISTS (SELECT FROM afe_acl_groups_hosts AS same WHERE same.aclgroup_id = g.id AND same.host_id = s.id)
    UNION ALL
    SELECT s.id, 'afe_host_attributes'::regclass, a.id, 'UPDATE'
    FROM sent AS s
    JOIN afe_host_attributes AS a ON a.host_id = s.id
    WHERE s.hostattribute_set IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM pg_catalog.json_to_recordset(s.hostattribute_set) AS k (attribute text, value text)
            WHERE k.attribute = a.attribute AND k.value = a.value
        )
    UNION ALL
    SELECT s.id, 'afe_hosts'::regclass, s.id, 'KEY SHARE'
    FROM sent AS s
    CROSS JOIN pg_catalog.json_to_recordset(s.hostattribute_set) AS k (attribute text, value text)
    WHERE NOT EXISTS (
        SELECT FROM afe_host_attributes AS same
        WHERE same.host_id = s.id AND same.attribute = k.attribute AND same.value = k.value
    )
),
locked AS MATERIALIZED (
    SELECT n.of_table, n.strength, x.id AS row_id
    FROM (SELECT of_table, strength, pg_catalog.array_agg(row_id) AS ids FROM need GROUP BY of_table, strength) AS n
    CROSS JOIN LATERAL shard_client_locked(n.of_table, n.strength, n.ids) AS x (id)
)
SELECT DISTINCT ON (n.id) n.id::bigint AS id, (n.of_table::text || ' ' || n.row_id::text)::text AS reason
FROM need AS n
JOIN locked AS l ON l.of_table = n.of_table AND l.strength = n.strength AND l.row_id = n.row_id
ORDER BY n.id, n.row_id;

-- Rows that a host is taken out of use with.
-- name: IncorrectHostsLock :many
WITH need (id, of_table, row_id, strength) AS MATERIALIZED (
    SELECT t.id, 'afe_hosts'::regclass, t.id, 'NO KEY UPDATE'
    FROM afe_hosts AS t
    WHERE t.id = ANY (@ids::bigint[]) AND NOT t.invalid
    UNION ALL
    SELECT t.host_id, 'afe_hosts_labels'::regclass, t.id, 'UPDATE'
    FROM afe_hosts_labels AS t
    WHERE t.host_id = ANY (@ids::bigint[])
    UNION ALL
    SELECT t.host_id, 'afe_acl_groups_hosts'::regclass, t.id, 'UPDATE'
    FROM afe_acl_groups_hosts AS t
    WHERE t.host_id = ANY (@ids::bigint[])
    UNION ALL
    SELECT t.host_id, 'afe_host_attributes'::regclass, t.id, 'UPDATE'
    FROM afe_host_attributes AS t
    WHERE t.host_id = ANY (@ids::bigint[])
    UNION ALL
    SELECT t.host_id, 'afe_host_queue_entries'::regclass, t.id, 'NO KEY UPDATE'
    FROM afe_host_queue_entries AS t
    WHERE t.host_id = ANY (@ids::bigint[]) AND NOT t.complete AND NOT t.aborted
),
locked AS MATERIALIZED (
    SELECT n.of_table, n.strength, x.id AS row_id
    FROM (SELECT of_table, strength, pg_catalog.array_agg(row_id) AS ids FROM need GROUP BY of_table, strength) AS n
    CROSS JOIN LATERAL shard_client_locked(n.of_table, n.strength, n.ids) AS x (id)
)
SELECT DISTINCT ON (n.id) n.id::bigint AS id, (n.of_table::text || ' ' || n.row_id::text)::text AS reason
FROM need AS n
JOIN locked AS l ON l.of_table = n.of_table AND l.strength = n.strength AND l.row_id = n.row_id
ORDER BY n.id, n.row_id;

-- Suite keyvals that are to be changed. Of a parent job, all or none are stored; the ids are those
-- of the parent jobs.
-- name: SuiteKeyvalsLock :many
WITH need AS MATERIALIZED (
    SELECT here.job_id::bigint AS id, here.id::bigint AS row_id
    FROM pg_catalog.json_to_recordset(@keyvals::json) AS s (job_id bigint, key text, value text)
    JOIN afe_job_keyvals AS here ON here.job_id = s.job_id AND here.key = s.key AND here.value <> s.value
)
SELECT DISTINCT ON (n.id) n.id::bigint AS id, ('afe_job_keyvals ' || n.row_id::text)::text AS reason
FROM need AS n
WHERE n.row_id IN (
    SELECT x.id
    FROM shard_client_locked('afe_job_keyvals'::regclass, 'NO KEY UPDATE', ARRAY(SELECT row_id FROM need)) AS x (id)
)
ORDER BY n.id, n.row_id;

-- What new rows refer to. Nobody else can have locked anything else of them: they are not here yet.
-- name: ReferredLock :many
SELECT n.of_table::text AS of_table, x.id::bigint AS id
FROM (
    VALUES
        ('afe_shards'::regclass, @shard_ids::bigint[]),
        ('afe_labels'::regclass, @label_ids::bigint[]),
        ('afe_acl_groups'::regclass, @aclgroup_ids::bigint[]),
        ('afe_hosts'::regclass, @host_ids::bigint[])
) AS n (of_table, ids)
CROSS JOIN LATERAL shard_client_locked(n.of_table, 'KEY SHARE', n.ids) AS x (id)
WHERE pg_catalog.cardinality(n.ids) > 0;

-- Of jobs that are here, and of others the keyvals that are replaced.
-- name: JobsLock :many
WITH sent_jobs AS MATERIALIZED (
    SELECT here.id, here.shard_id, s.shard_sent, nullif(s.shard_id, 0) AS new_shard_id
    FROM ROWS FROM (
        pg_catalog.unnest(@job_ids::bigint[]), pg_catalog.unnest(@shard_sent::boolean[]), pg_catalog.unnest(@shard_ids::bigint[])
    ) AS s (id, shard_sent, shard_id)
    CROSS JOIN LATERAL (SELECT j.id, j.shard_id FROM afe_jobs AS j WHERE j.id = s.id LIMIT 1) AS here
),
sent_entries AS MATERIALIZED (
    SELECT
        s.job_id, s.id, nullif(s.host_id, 0) AS host_id, nullif(s.meta_host, 0) AS meta_host, here.id IS NULL AS is_new,
        s.aborted_sent AND here.aborted <> s.aborted AS is_aborted,
        s.meta_host_sent AND here.meta_host IS DISTINCT FROM nullif(s.meta_host, 0) AS has_meta_host
    FROM ROWS FROM (
        pg_catalog.unnest(@entry_jobs::bigint[]), pg_catalog.unnest(@entry_ids::bigint[]), pg_catalog.unnest(@host_ids::bigint[]),
        pg_catalog.unnest(@aborted_sent::boolean[]), pg_catalog.unnest(@aborted::boolean[]),
        pg_catalog.unnest(@meta_host_sent::boolean[]), pg_catalog.unnest(@meta_hosts::bigint[])
    ) AS s (job_id, id, host_id, aborted_sent, aborted, meta_host_sent, meta_host)
    LEFT JOIN LATERAL (
        SELECT e.id, e.aborted, e.meta_host FROM afe_host_queue_entries AS e WHERE e.id = s.id LIMIT 1
    ) AS here ON true
),
sent_labels AS MATERIALIZED (
    SELECT s.job_id, s.label_id
    FROM ROWS FROM (pg_catalog.unnest(@label_jobs::bigint[]), pg_catalog.unnest(@labels::bigint[])) AS s (job_id, label_id)
    WHERE NOT EXISTS (
        SELECT FROM afe_jobs_dependency_labels AS same
        WHERE same.job_id = s.job_id AND same.label_id = s.label_id
    )
),
need (id, of_table, row_id, strength) AS MATERIALIZED (
    SELECT s.job_id, 'afe_host_queue_entries'::regclass, s.id, 'NO KEY UPDATE'
    FROM sent_entries AS s
    WHERE NOT s.is_new AND (s.is_aborted OR s.has_meta_host)
    UNION ALL
    SELECT s.job_id, 'afe_hosts'::regclass, s.host_id, 'KEY SHARE'
    FROM sent_entries AS s
    WHERE s.is_new AND s.host_id IS NOT NULL
    UNION ALL
    SELECT s.job_id, 'afe_labels'::regclass, s.meta_host, 'KEY SHARE'
    FROM sent_entries AS s
    WHERE (s.is_new OR s.has_meta_host) AND s.meta_host IS NOT NULL
    UNION ALL
    SELECT s.job_id, 'afe_labels'::regclass, s.label_id, 'KEY SHARE'
    FROM sent_labels AS s
    UNION ALL
    -- A new entry or label refers to its job.
    SELECT here.id, 'afe_jobs'::regclass, here.id, 'KEY SHARE'
    FROM sent_jobs AS here
    WHERE here.id IN (SELECT s.job_id FROM sent_entries AS s WHERE s.is_new UNION SELECT s.job_id FROM sent_labels AS s)
    UNION ALL
    -- Another shard, or the NULL of ResyncJobs.
    SELECT here.id, 'afe_jobs'::regclass, here.id, 'NO KEY UPDATE'
    FROM sent_jobs AS here
    WHERE here.shard_id IS NOT NULL
        AND (
            here.shard_sent AND here.new_shard_id IS DISTINCT FROM here.shard_id
            OR here.id IN (
                SELECT e.job_id FROM afe_host_queue_entries AS e
                WHERE e.job_id = ANY (@job_ids::bigint[]) AND e.complete
            )
        )
    UNION ALL
    SELECT here.id, 'afe_shards'::regclass, here.new_shard_id, 'KEY SHARE'
    FROM sent_jobs AS here
    WHERE here.shard_sent AND here.new_shard_id IS NOT NULL
        AND here.shard_id IS NOT NULL AND here.shard_id IS DISTINCT FROM here.new_shard_id
    UNION ALL
    SELECT k.job_id, 'afe_job_keyvals'::regclass, k.id, 'UPDATE'
    FROM afe_job_keyvals AS k
    WHERE k.job_id = ANY (@replaced_job_ids::bigint[])
        AND NOT EXISTS (
            SELECT FROM ROWS FROM (
                pg_catalog.unnest(@keyval_jobs::bigint[]), pg_catalog.unnest(@keys::text[]), pg_catalog.unnest(@keyval_values::text[])
            ) AS s (job_id, key, value)
            WHERE s.job_id = k.job_id AND s.key = k.key AND s.value = k.value
        )
),
locked AS MATERIALIZED (
    SELECT n.of_table, n.strength, x.id AS row_id
    FROM (SELECT of_table, strength, pg_catalog.array_agg(row_id) AS ids FROM need GROUP BY of_table, strength) AS n
    CROSS JOIN LATERAL shard_client_locked(n.of_table, n.strength, n.ids) AS x (id)
)
SELECT DISTINCT ON (n.id) n.id::bigint AS id, (n.of_table::text || ' ' || n.row_id::text)::text AS reason
FROM need AS n
JOIN locked AS l ON l.of_table = n.of_table AND l.strength = n.strength AND l.row_id = n.row_id
ORDER BY n.id, n.row_id;
