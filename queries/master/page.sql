-- What the status page of a master shows of its tables.

-- One pass over the open entries for all shards: no index leads from a shard to its jobs. The row
-- without an id counts the open jobs that no shard has got.
-- name: ShardsShown :many
WITH open_jobs AS (
    SELECT j.shard_id, count(*) AS jobs
    FROM afe_jobs AS j
    WHERE j.id IN (SELECT e.job_id FROM afe_host_queue_entries AS e WHERE NOT e.complete)
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
    (SELECT count(*) FROM afe_hosts AS h WHERE h.shard_id = s.id AND NOT h.invalid)::bigint AS hosts,
    coalesce(o.jobs, 0)::bigint AS open_jobs
FROM afe_shards AS s
LEFT JOIN open_jobs AS o ON o.shard_id = s.id
UNION ALL
SELECT 0, '', '{}', (SELECT count(*) FROM afe_hosts AS h WHERE h.shard_id IS NULL AND NOT h.invalid), coalesce(sum(o.jobs), 0)::bigint
FROM open_jobs AS o
WHERE o.shard_id IS NULL
ORDER BY 2
LIMIT 1000;
