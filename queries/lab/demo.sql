-- Counts for a live demo.

-- Counts the jobs that suites made. A job is finished when none of its entries is
-- open.
-- name: DemoMaster :one
SELECT
    count(*)::bigint AS created,
    count(j.shard_id)::bigint AS assigned,
    count(*) FILTER (
        WHERE NOT EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = j.id AND NOT e.complete)
    )::bigint AS finished,
    (
        SELECT count(*)
        FROM afe_jobs AS p
        WHERE p.parent_job_id IS NULL
            AND EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = p.id AND NOT e.complete)
    )::bigint AS open_suites
FROM afe_jobs AS j
WHERE j.parent_job_id IS NOT NULL;

-- name: DemoShard :one
SELECT
    (SELECT count(DISTINCT e.job_id) FROM afe_host_queue_entries AS e WHERE e.active AND NOT e.complete)::bigint AS running,
    (
        SELECT count(*)
        FROM afe_jobs AS j
        WHERE NOT EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = j.id AND NOT e.complete)
    )::bigint AS finished;

-- name: DemoBeats :one
SELECT count(*)::bigint AS beats, count(*) FILTER (WHERE h.outcome <> 'ok')::bigint AS failed
FROM shard_client_heartbeats AS h;
