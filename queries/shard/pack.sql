-- The reads of one packet. All run in one REPEATABLE READ, read-only transaction, so that known
-- ids, jobs and entries are of the same moment. What is taken is read once, by NOT IN: a NOT EXISTS
-- would look for each of 50,000 jobs in an index that is nearly always empty.

-- Hosts that the master need not send again, with their statuses (2019); ProbePlan, which is asked
-- together with this, says which of them may go. A host with a character outside ASCII in its
-- status is left out, because the master could not read the packet; that it may then send the host
-- again does no harm. A host whose id the master has given to another host is left out: its status
-- would be stored as the other's.
-- name: PackHosts :one
SELECT
    coalesce(pg_catalog.array_agg(h.id ORDER BY h.id), '{}')::bigint[] AS ids,
    coalesce(pg_catalog.array_agg(h.status ORDER BY h.id), '{}')::text[] AS statuses
FROM afe_hosts AS h
WHERE NOT h.invalid
    AND shard_client_is_ascii(h.status)
    AND h.id NOT IN (SELECT t.object_id FROM shard_client_taken AS t WHERE t.kind = 'host');

-- Jobs with an open entry. Only `complete` decides whether a job is known; its shard_id says
-- nothing about it (docs/promises.md, "overwritten NULL"). This uses the partial index on open
-- entries, which does not grow with finished jobs (P8). What the master calls by the id of a taken
-- job is not known here; OFFSET 0, because that is asked of each job and not of each entry.
-- name: PackOpenJobs :one
SELECT ARRAY(
    SELECT o.job_id
    FROM (SELECT DISTINCT e.job_id FROM afe_host_queue_entries AS e WHERE NOT e.complete ORDER BY e.job_id OFFSET 0) AS o
    WHERE o.job_id NOT IN (SELECT t.object_id FROM shard_client_taken AS t WHERE t.kind = 'job')
    ORDER BY o.job_id
)::bigint[] AS ids;

-- The jobs that have something to upload, with the sizes of their texts, by their ids. There are
-- three reasons to upload a job (P1): the scheduler set shard_id to NULL and an entry is complete;
-- an entry is complete that was never acknowledged as complete; a request that may have been stored
-- late, over a completion, must be dead by now. The ledger (shard_client_uploads) knows the last
-- two. A job whose id the master has given to another job is not uploaded, because it would be
-- stored as the other's result.
--
-- Which of them go is decided by the client (runner/shard/records.go). The history says whose turn
-- it is: large_turn, if the last beat left a job waiting that is too large to go with others, and
-- last_large, which such a job went last.
--
-- No plan of this is bad, whatever PostgreSQL believes about the tables (P8): each look-up by job
-- stands behind an OFFSET 0 and uses an index, and what is read of many rows is one index of jobs
-- whose shard_id is NULL.
-- name: PackPending :one
WITH finished AS (
    SELECT
        j.id,
        pg_catalog.octet_length(j.owner) + pg_catalog.octet_length(j.name) + pg_catalog.octet_length(j.email_list)
            + coalesce(pg_catalog.octet_length(j.control_file), 0) AS bytes
    FROM afe_jobs AS j
    WHERE j.shard_id IS NULL
        AND EXISTS (
            SELECT FROM afe_host_queue_entries AS e
            WHERE e.job_id = j.id AND e.complete
            OFFSET 0
        )
    UNION ALL
    SELECT j.id, j.bytes
    FROM shard_client_uploads AS u
    CROSS JOIN LATERAL (
        SELECT
            o.id,
            pg_catalog.octet_length(o.owner) + pg_catalog.octet_length(o.name) + pg_catalog.octet_length(o.email_list)
                + coalesce(pg_catalog.octet_length(o.control_file), 0) AS bytes
        FROM afe_jobs AS o
        WHERE o.id = u.job_id AND o.shard_id IS NOT NULL
        OFFSET 0
    ) AS j
    WHERE EXISTS (
            SELECT FROM afe_host_queue_entries AS e
            WHERE e.job_id = u.job_id
                AND e.complete
                AND (
                    NOT e.id = ANY (u.sent_complete)
                    OR u.unsure_since < pg_catalog.now() - pg_catalog.make_interval(secs => @rpc_timeout_seconds::double precision)
                )
            OFFSET 0
        )
)
SELECT
    coalesce(pg_catalog.array_agg(p.id), '{}')::bigint[] AS ids,
    coalesce(pg_catalog.array_agg(p.bytes::bigint), '{}')::bigint[] AS bytes,
    coalesce((SELECT h.large_waiting FROM shard_client_heartbeats AS h ORDER BY h.id DESC LIMIT 1), false)::boolean AS large_turn,
    coalesce((
        SELECT r.large_job_id
        FROM (SELECT h.id, h.large_job_id FROM shard_client_heartbeats AS h ORDER BY h.id DESC LIMIT 10) AS r
        WHERE r.large_job_id IS NOT NULL
        ORDER BY r.id DESC
        LIMIT 1
    ), 0)::bigint AS last_large
FROM (
    SELECT f.id, f.bytes
    FROM finished AS f
    WHERE f.id NOT IN (SELECT t.object_id FROM shard_client_taken AS t WHERE t.kind = 'job')
    ORDER BY f.id
) AS p;
