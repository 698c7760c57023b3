-- How long the jobs that are not finished have been waiting, for the metrics. Nothing of a beat.

-- A row for each bucket that has some: bucket N holds the ages from the Nth bound, exclusive of the
-- next one, and bucket 0 those below the first. created_on is a time without a zone, from the
-- master, so it is compared with a time of ours without one. Each look-up by job stands behind an
-- OFFSET 0: whatever PostgreSQL believes about the tables, finished jobs cost nothing (P8).
-- name: OpenJobAges :many
SELECT
    pg_catalog.width_bucket(a.seconds, @bounds::double precision[])::integer AS bucket,
    pg_catalog.count(*)::bigint AS jobs,
    coalesce(pg_catalog.sum(a.seconds), 0)::double precision AS seconds,
    coalesce(pg_catalog.max(a.seconds), 0)::double precision AS oldest
FROM (SELECT DISTINCT e.job_id FROM afe_host_queue_entries AS e WHERE NOT e.complete) AS o
CROSS JOIN LATERAL (
    SELECT
        greatest(sqlc.arg('local_seconds')::double precision - pg_catalog.date_part('epoch', j.created_on), 0)::double precision
            AS seconds
    FROM afe_jobs AS j
    WHERE j.id = o.job_id
    OFFSET 0
) AS a
GROUP BY 1
ORDER BY 1;
