-- Edits of the master's tables by people: shards and their labels.

-- name: AdminShardAdd :many
INSERT INTO afe_shards (hostname)
SELECT @hostname::text
WHERE NOT EXISTS (SELECT FROM afe_shards AS s WHERE s.hostname = @hostname::text)
ON CONFLICT (hostname) DO NOTHING
RETURNING id;

-- name: AdminShardNamed :one
SELECT s.id
FROM afe_shards AS s
WHERE s.hostname = @hostname::text
FOR KEY SHARE;

-- name: AdminShardLabelAdd :execrows
INSERT INTO afe_shards_labels (shard_id, label_id)
SELECT @shard_id::bigint, s.label_id
FROM unnest(@label_ids::bigint[]) AS s (label_id)
ORDER BY s.label_id;

-- name: AdminShardLabelRemove :execrows
DELETE FROM afe_shards_labels
WHERE shard_id = @shard_id::bigint AND label_id = ANY (@label_ids::bigint[]);

-- Takes locks in the order of the heartbeat: jobs before hosts, each by id. Finished
-- jobs are included, because their rows name the shard.
-- name: AdminShardFreeJobs :execrows
WITH locked AS (
    SELECT j.id
    FROM afe_jobs AS j
    WHERE j.shard_id = @shard_id::bigint
    ORDER BY j.id
    FOR NO KEY UPDATE
)
UPDATE afe_jobs AS here
SET shard_id = NULL
FROM locked
WHERE here.id = locked.id;

-- name: AdminShardFreeHosts :execrows
WITH locked AS (
    SELECT h.id
    FROM afe_hosts AS h
    WHERE h.shard_id = @shard_id::bigint
    ORDER BY h.id
    FOR NO KEY UPDATE
)
UPDATE afe_hosts AS here
SET shard_id = NULL
FROM locked
WHERE here.id = locked.id;

-- name: AdminShardFreeLabels :execrows
DELETE FROM afe_shards_labels
WHERE shard_id = @shard_id::bigint;

-- name: AdminShardRemove :execrows
DELETE FROM afe_shards
WHERE id = @shard_id::bigint;

-- One pass over the jobs for all shards: no index leads from a shard to its jobs.
-- name: AdminShardList :many
WITH job_counts AS (
    SELECT j.shard_id, count(*) AS jobs
    FROM afe_jobs AS j
    WHERE j.shard_id IS NOT NULL
    GROUP BY j.shard_id
), open_counts AS (
    SELECT j.shard_id, count(*) AS jobs
    FROM afe_jobs AS j
    WHERE j.shard_id IS NOT NULL
        AND j.id IN (SELECT e.job_id FROM afe_host_queue_entries AS e WHERE NOT e.complete)
    GROUP BY j.shard_id
)
SELECT
    s.id, s.hostname,
    ARRAY(
        SELECT l.name
        FROM afe_shards_labels AS sl
        JOIN afe_labels AS l ON l.id = sl.label_id
        WHERE sl.shard_id = s.id
        ORDER BY l.name
    )::text[] AS labels,
    (SELECT count(*) FROM afe_hosts AS h WHERE h.shard_id = s.id AND NOT h.invalid) AS hosts,
    coalesce(open_counts.jobs, 0)::bigint AS open_jobs,
    coalesce(job_counts.jobs, 0)::bigint AS jobs
FROM afe_shards AS s
LEFT JOIN open_counts ON open_counts.shard_id = s.id
LEFT JOIN job_counts ON job_counts.shard_id = s.id
ORDER BY s.hostname;

-- Reports whether a shard-client has ever taken the lock in this database. Then it
-- is a shard's database, and ids made there would clash with the master's.
-- name: AdminIsShard :one
SELECT EXISTS (SELECT FROM shard_client_owner AS o WHERE o.epoch > 0)::boolean AS is_shard;
