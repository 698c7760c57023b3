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
