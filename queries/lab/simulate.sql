-- Stands in for running jobs in a simulation.

-- Ends the oldest open jobs as lucifer would: all entries at once, and each job
-- with a NULL.
-- name: SimulateFinish :one
WITH chosen AS (
    SELECT DISTINCT e.job_id
    FROM afe_host_queue_entries AS e
    WHERE NOT e.complete
    ORDER BY e.job_id
    LIMIT @jobs::bigint
),
ended AS (
    UPDATE afe_host_queue_entries AS e
    SET
        status = 'Completed', active = false, complete = true,
        started_on = date_trunc('milliseconds', now() AT TIME ZONE 'UTC'),
        finished_on = date_trunc('milliseconds', now() AT TIME ZONE 'UTC')
    FROM chosen AS c
    WHERE e.job_id = c.job_id
),
asked AS (
    UPDATE afe_jobs AS j
    SET shard_id = NULL
    FROM chosen AS c
    WHERE j.id = c.job_id
)
SELECT count(*)::bigint AS jobs
FROM chosen;
