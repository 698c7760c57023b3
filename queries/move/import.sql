-- A job in the middle of its entries that does not ask for an upload: the old client has
-- acknowledged what is complete, and the other completion may come with no NULL (P1). Then the
-- whole job is uploaded.
-- name: NoteHalfUploaded :execrows
INSERT INTO shard_client_uploads (job_id, sent_complete)
SELECT e.job_id, pg_catalog.array_agg(e.id ORDER BY e.id) FILTER (WHERE e.complete)
FROM afe_host_queue_entries AS e
JOIN afe_jobs AS j ON j.id = e.job_id
WHERE j.shard_id IS NOT NULL
GROUP BY e.job_id
HAVING pg_catalog.bool_or(e.complete) AND pg_catalog.bool_or(NOT e.complete)
ON CONFLICT (job_id) DO NOTHING;

-- name: WaitingJobs :many
SELECT j.id
FROM afe_jobs AS j
WHERE j.shard_id IS NULL
    AND EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = j.id AND e.complete)
ORDER BY j.id;

-- name: KnownJobs :many
SELECT DISTINCT e.job_id FROM afe_host_queue_entries AS e WHERE NOT e.complete ORDER BY e.job_id;

-- name: KnownHosts :many
SELECT h.id FROM afe_hosts AS h WHERE NOT h.invalid ORDER BY h.id;
