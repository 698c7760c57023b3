-- Reads of one packet. All run in one REPEATABLE READ, read-only transaction, so
-- that known ids, jobs and entries speak of the same moment.

-- Hosts that the master need not send again, with their statuses (2019).
-- name: PackHosts :many
SELECT id, status
FROM afe_hosts
WHERE NOT invalid
ORDER BY id;

-- Jobs with an open entry. Known comes from `complete` alone: a job's shard_id
-- says nothing about it (docs/decisions.md, 2014). Uses the partial index on open
-- entries, whose size does not grow with finished jobs (P8).
-- name: PackOpenJobs :many
SELECT DISTINCT job_id
FROM afe_host_queue_entries
WHERE NOT complete
ORDER BY job_id;

-- Jobs that have something to upload, and about how many bytes of text each
-- holds, so that a batch can be cut before its rows are read (P9). The three
-- reasons are those of the ledger (shard_client_uploads, P1): the scheduler set
-- shard_id to NULL and an entry is complete; an entry is complete that was never
-- acknowledged as complete; a request that may have been stored late, over a
-- completion, must be dead by now.
-- OFFSET 0 keeps each look-up by job an index look-up: without statistics, or
-- with many rows pending, the planner would rather read the whole tables (P8).
-- name: PackPending :many
WITH pending AS (
    SELECT j.id
    FROM afe_jobs AS j
    WHERE j.shard_id IS NULL
        AND EXISTS (
            SELECT FROM afe_host_queue_entries AS e
            WHERE e.job_id = j.id AND e.complete
            OFFSET 0
        )
    UNION
    SELECT u.job_id
    FROM shard_client_uploads AS u
    WHERE EXISTS (
            SELECT FROM afe_host_queue_entries AS e
            WHERE e.job_id = u.job_id
                AND e.complete
                AND (
                    NOT e.id = ANY (u.sent_complete)
                    OR u.unsure_since < now() - make_interval(secs => @rpc_timeout_seconds::double precision)
                )
            OFFSET 0
        )
)
SELECT p.id, j.text_bytes
FROM pending AS p
CROSS JOIN LATERAL (
    SELECT (
        octet_length(x.owner) + octet_length(x.name) + octet_length(x.email_list)
        + coalesce(octet_length(x.control_file), 0)
    )::bigint AS text_bytes
    FROM afe_jobs AS x
    WHERE x.id = p.id
    OFFSET 0
) AS j
ORDER BY p.id;

-- name: PackJobs :many
SELECT *
FROM shard_client_upload_jobs
WHERE id = ANY (@ids::bigint[])
ORDER BY id;

-- All entries of exactly the uploaded jobs: the original cut the jobs but sent
-- every entry (docs/decisions.md, 2018).
-- name: PackEntries :many
SELECT *
FROM shard_client_upload_entries
WHERE job_id = ANY (@job_ids::bigint[])
ORDER BY job_id, id;
