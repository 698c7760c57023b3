-- Edits of the master's tables by people: labels. A label that is removed keeps
-- its row, marked as invalid, because finished jobs refer to it. When it is added
-- again it gets that row back.

-- name: AdminLabelRestore :many
WITH locked AS (
    SELECT l.id
    FROM afe_labels AS l
    WHERE l.name = ANY (@names::text[]) AND l.invalid
    ORDER BY l.id
    FOR NO KEY UPDATE
)
UPDATE afe_labels AS here
SET invalid = false, platform = s.platform, kernel_config = '', only_if_needed = false
FROM locked, ROWS FROM (unnest(@names::text[]), unnest(@platforms::boolean[])) AS s (name, platform)
WHERE here.id = locked.id AND s.name = here.name
RETURNING here.id, here.name;

-- name: AdminLabelAdd :many
INSERT INTO afe_labels (name, platform)
SELECT s.name, s.platform
FROM ROWS FROM (unnest(@names::text[]), unnest(@platforms::boolean[])) AS s (name, platform)
WHERE NOT EXISTS (SELECT FROM afe_labels AS l WHERE l.name = s.name)
ORDER BY s.name
ON CONFLICT (name) DO NOTHING
RETURNING id, name;

-- For a transaction that depends on who uses a label: another one that begins to use
-- the label has to wait.
-- name: AdminLabelLock :many
SELECT l.id
FROM afe_labels AS l
WHERE l.name = ANY (@names::text[])
ORDER BY l.id
FOR UPDATE;

-- Returns labels with their shards. The lock keeps them from being removed, or given
-- to a shard, before this transaction's use of them is visible.
-- name: AdminLabelsNamed :many
SELECT l.id, l.name, coalesce(s.hostname, '')::text AS shard
FROM afe_labels AS l
LEFT JOIN afe_shards_labels AS sl ON sl.label_id = l.id
LEFT JOIN afe_shards AS s ON s.id = sl.shard_id
WHERE l.name = ANY (@names::text[]) AND NOT l.invalid
ORDER BY l.id
FOR KEY SHARE OF l;

-- name: AdminLabelRemove :execrows
UPDATE afe_labels
SET invalid = true
WHERE id = ANY (@ids::bigint[]) AND NOT invalid;

-- Counts the uses of a label. Removed hosts have no labels; finished jobs do not
-- count.
-- name: AdminLabelUses :one
SELECT
    coalesce((
        SELECT s.hostname
        FROM afe_shards_labels AS sl
        JOIN afe_shards AS s ON s.id = sl.shard_id
        WHERE sl.label_id = @label_id::bigint
    ), '')::text AS shard,
    (SELECT count(*) FROM afe_hosts_labels AS hl WHERE hl.label_id = @label_id::bigint) AS hosts,
    (
        SELECT count(*)
        FROM afe_jobs AS j
        WHERE j.id IN (
                SELECT d.job_id FROM afe_jobs_dependency_labels AS d WHERE d.label_id = @label_id::bigint
                UNION
                SELECT e.job_id FROM afe_host_queue_entries AS e WHERE e.meta_host = @label_id::bigint
            )
            AND EXISTS (
                SELECT FROM afe_host_queue_entries AS e
                WHERE e.job_id = j.id AND NOT e.complete
            )
    ) AS open_jobs;

-- name: AdminLabelList :many
SELECT
    l.id, l.name, l.platform, coalesce(s.hostname, '')::text AS shard,
    (SELECT count(*) FROM afe_hosts_labels AS hl WHERE hl.label_id = l.id) AS hosts
FROM afe_labels AS l
LEFT JOIN afe_shards_labels AS sl ON sl.label_id = l.id
LEFT JOIN afe_shards AS s ON s.id = sl.shard_id
WHERE NOT l.invalid
ORDER BY l.name;
