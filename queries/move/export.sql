-- Jobs of which the master lacks a completion, whatever their shard_id says (P1), as far as the
-- ledger knows: the old client asks for the NULL alone.
-- name: UnsentJobs :many
SELECT j.id
FROM afe_jobs AS j
WHERE EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = j.id AND e.complete)
    AND (
        j.shard_id IS NULL
        OR EXISTS (
            SELECT
            FROM shard_client_uploads AS u
            JOIN afe_host_queue_entries AS e ON e.job_id = u.job_id AND e.complete
            WHERE u.job_id = j.id AND (u.unsure_since IS NOT NULL OR NOT e.id = ANY (u.sent_complete))
        )
    )
ORDER BY j.id;

-- Who else has a session in this database: a scheduler that goes on would write what does not go
-- back.
-- name: OtherSessions :many
SELECT pg_catalog.format('%s (%s) to PostgreSQL, sessions: %s', a.usename, coalesce(nullif(a.application_name, ''), 'unnamed'), pg_catalog.count(*))::text AS session
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = pg_catalog.current_database()
    AND a.application_name <> @own::text
    AND a.backend_type = 'client backend'
GROUP BY a.usename, a.application_name
ORDER BY 1;
