-- Which hosts and jobs go to a shard: docs/protocol.md, "What the master does otherwise". version
-- is that of the row, which every change gives another: the id of the transaction that wrote it
-- (docs/decisions/0020-overlapping-heartbeats-share-nothing.md).

-- Returns the hosts that have a label of the shard, are not leased and are not known
-- to it, whichever shard they belong to now.
-- name: HostsToSend :many
SELECT h.id, h.xmin::text AS version
FROM afe_hosts AS h
WHERE NOT h.leased
    AND EXISTS (
        SELECT FROM afe_hosts_labels AS hl
        JOIN afe_shards_labels AS sl ON sl.label_id = hl.label_id
        WHERE hl.host_id = h.id AND sl.shard_id = @shard_id::bigint
    )
    AND NOT EXISTS (SELECT FROM unnest(@known_host_ids::bigint[]) AS k (id) WHERE k.id = h.id)
ORDER BY h.id;

-- Returns the jobs that may be sent. Such a job depends on a label of the shard, or
-- (2019) the meta host of an entry is one, or an entry without a meta host has a host
-- that carries one. None of its entries is complete or active. It is not known to the
-- shard, or it is known and every entry is aborted.
--
-- A master of 2015 also sends jobs that have no entries yet, known or not: the AFE writes a
-- job first and its entries later. No index leads to them, so they are looked for among the
-- newest 4,096 ids only.
--
-- Three ways lead from a shard's labels to its open entries, each by an index, where
-- finished jobs cost nothing. Only the way through dependency labels meets finished
-- jobs. It looks at windows of 1,024 ids that hold an open job. It finds them by
-- jumping through the index of open entries, because one job that stays open for
-- months would make a plain lower bound useless. Known jobs are dropped before
-- anything else is read of them.
--
-- PostgreSQL cannot guess the numbers here, and if it may choose the joins it reads
-- whole tables: with 50,000 known jobs, a million rows. OFFSET 0, and a subquery in
-- the list of columns, make it look up one row after the other.
-- name: JobsToSend :many
WITH RECURSIVE open_windows (first_id) AS (
    SELECT min(e.job_id) AS first_id
    FROM afe_host_queue_entries AS e
    WHERE NOT e.complete
    UNION ALL
    SELECT (
        SELECT min(e.job_id)
        FROM afe_host_queue_entries AS e
        WHERE NOT e.complete AND e.job_id >= w.first_id + 1024
    )
    FROM open_windows AS w
    WHERE w.first_id IS NOT NULL
), open_entries AS (
    SELECT e.job_id, e.aborted
    FROM afe_shards_labels AS sl
    JOIN afe_host_queue_entries AS e ON e.meta_host = sl.label_id
    WHERE @meta_hosts::boolean AND sl.shard_id = @shard_id::bigint AND NOT e.complete
    UNION ALL
    SELECT e.job_id, e.aborted
    FROM afe_shards_labels AS sl
    JOIN afe_hosts_labels AS hl ON hl.label_id = sl.label_id
    JOIN afe_host_queue_entries AS e ON e.host_id = hl.host_id
    WHERE sl.shard_id = @shard_id::bigint AND NOT e.complete AND e.meta_host IS NULL
    UNION ALL
    SELECT e.job_id, e.aborted
    FROM afe_shards_labels AS sl
    CROSS JOIN open_windows AS w
    CROSS JOIN LATERAL (
        SELECT d.job_id
        FROM afe_jobs_dependency_labels AS d
        WHERE d.label_id = sl.label_id AND d.job_id >= w.first_id AND d.job_id < w.first_id + 1024
        OFFSET 0
    ) AS d
    CROSS JOIN LATERAL (
        SELECT e.job_id, e.aborted
        FROM afe_host_queue_entries AS e
        WHERE e.job_id = d.job_id AND NOT e.complete
        OFFSET 0
    ) AS e
    WHERE sl.shard_id = @shard_id::bigint
    UNION ALL
    SELECT d.job_id, true AS aborted
    FROM afe_shards_labels AS sl
    CROSS JOIN LATERAL (
        SELECT d.job_id
        FROM afe_jobs_dependency_labels AS d
        WHERE d.label_id = sl.label_id AND d.job_id > (SELECT max(j.id) - 4096 FROM afe_jobs AS j)
        OFFSET 0
    ) AS d
    WHERE @without_entries::boolean AND sl.shard_id = @shard_id::bigint
        AND NOT EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = d.job_id OFFSET 0)
), open_jobs AS (
    SELECT DISTINCT o.job_id, k.id IS NOT NULL AS known
    FROM open_entries AS o
    LEFT JOIN unnest(@known_job_ids::bigint[]) AS k (id) ON k.id = o.job_id
    WHERE k.id IS NULL OR o.aborted
)
SELECT
    o.job_id::bigint AS id,
    (CASE WHEN @versions::boolean THEN (SELECT j.xmin::text FROM afe_jobs AS j WHERE j.id = o.job_id) ELSE '' END)::text AS version
FROM open_jobs AS o
WHERE NOT EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = o.job_id AND (e.complete OR e.active) OFFSET 0)
    AND (
        NOT o.known
        OR NOT EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = o.job_id AND NOT e.aborted OFFSET 0)
    )
ORDER BY o.job_id;

-- Names what all sessions have committed so far: two snapshots with the same name see the same, but
-- for what the session itself has written in between.
-- name: SnapshotSeen :one
SELECT pg_current_snapshot()::text AS snapshot;

-- A transaction that takes a label from the shard waits until the heartbeat is over,
-- and then finds the hosts that it assigned. Otherwise a host could stay assigned to
-- a shard that has none of its labels.
-- name: ShardLabelsLock :execrows
SELECT sl.id
FROM afe_shards_labels AS sl
WHERE sl.shard_id = @shard_id::bigint
ORDER BY sl.id
FOR KEY SHARE;

-- For the rest of the transaction. PostgreSQL checks a foreign key by a query for each row that is
-- written. Where plan_cache_mode is force_custom_plan it also plans that query for each row, which
-- takes as long as all the rest of the update. Without a mode, that of the connection is back.
-- name: SetPlanCacheMode :exec
SELECT set_config('plan_cache_mode', sqlc.narg('mode')::text, true);

-- Writes even rows that belong to the shard already: from their new version another
-- heartbeat at the same time sees that they are taken.
-- name: HostAssign :execrows
UPDATE afe_hosts
SET shard_id = @shard_id::bigint
WHERE id = ANY (@ids::bigint[]);

-- Like HostAssign. An aborted job is written at every heartbeat until the shard has
-- uploaded its end.
-- name: JobAssign :execrows
UPDATE afe_jobs
SET shard_id = @shard_id::bigint
WHERE id = ANY (@ids::bigint[]);
