-- The reads of one packet. All run in one REPEATABLE READ, read-only transaction, so that known
-- ids, jobs and entries are of the same moment.

-- Hosts that the master need not send again, with their statuses (2019); ProbePlan says which of
-- them may go. A host with a character outside ASCII in its status is left out, because the master
-- could not read the packet; that it may then send the host again does no harm. A host whose id the
-- master has given to another host is left out: its status would be stored as the other's.
-- name: PackHosts :one
SELECT
    coalesce(pg_catalog.array_agg(h.id ORDER BY h.id), '{}')::bigint[] AS ids,
    coalesce(pg_catalog.array_agg(h.status ORDER BY h.id), '{}')::text[] AS statuses
FROM afe_hosts AS h
WHERE NOT h.invalid
    AND shard_client_is_ascii(h.status)
    AND NOT EXISTS (SELECT FROM shard_client_taken AS t WHERE t.kind = 'host' AND t.object_id = h.id)
    AND (h.id = ANY (@host_ids::bigint[])) = @only_hosts::boolean;

-- Jobs with an open entry. Only `complete` decides whether a job is known; its shard_id says
-- nothing about it (docs/promises.md, "overwritten NULL"). This uses the partial index on open
-- entries, which does not grow with finished jobs (P8). What the master calls by the id of a taken
-- job is not known here.
-- name: PackOpenJobs :many
SELECT DISTINCT e.job_id
FROM afe_host_queue_entries AS e
WHERE NOT e.complete
    AND NOT EXISTS (SELECT FROM shard_client_taken AS t WHERE t.kind = 'job' AND t.object_id = e.job_id)
ORDER BY e.job_id;

-- Every job that has something to upload; those that go into this packet come with their records.
-- There are three reasons to upload a job (P1): the scheduler set shard_id to NULL and an entry is
-- complete; an entry is complete that was never acknowledged as complete; a request that may have
-- been stored late, over a completion, must be dead by now. The ledger (shard_client_uploads) knows
-- the last two. A job whose id the master has given to another job is not uploaded, because it would
-- be stored as the other's result.
--
-- The packet takes the jobs with the lowest ids, at most max_jobs, as long as they fit into
-- free_bytes less the ids of all jobs that wait (P9), and into batch_bytes. That is for records
-- alone: where the master is slow it is small, and the ids of a long backlog would leave room for
-- one job (docs/promises.md, "growing uploads"). The sizes of the jobs' texts are summed
-- first, so that only as much of a long backlog is made into records as may fit. A job that does
-- not fit by itself is large: it goes alone, and takes turns with the others and with other large
-- jobs, so that it blocks nobody and nobody blocks it. The history says whose turn it is. A packet
-- holds all entries of exactly its jobs: the original limited the jobs but sent every entry
-- (docs/promises.md, "growing uploads").
--
-- OFFSET 0 makes each look-up by job use an index: without statistics, or with many rows pending,
-- the planner would rather read whole tables (P8).
-- name: PackUpload :many
WITH finished AS (
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
                    OR u.unsure_since < pg_catalog.now() - pg_catalog.make_interval(secs => @rpc_timeout_seconds::double precision)
                )
            OFFSET 0
        )
),
pending AS (
    SELECT f.id
    FROM finished AS f
    WHERE NOT EXISTS (SELECT FROM shard_client_taken AS t WHERE t.kind = 'job' AND t.object_id = f.id)
),
-- What ProbePlan allows to go.
candidate AS (
    SELECT p.id
    FROM pending AS p
    WHERE (p.id = ANY (@job_ids::bigint[])) = @only_jobs::boolean
),
space AS (
    SELECT least(
        sqlc.arg('free_bytes')::bigint - coalesce(pg_catalog.sum(pg_catalog.octet_length(p.id::text) + 1), 0),
        sqlc.arg('batch_bytes')::bigint
    )::bigint AS bytes
    FROM pending AS p
),
-- Whether the last beat left a large job waiting, and which large job went last.
turn AS (
    SELECT
        coalesce((SELECT h.large_waiting FROM shard_client_heartbeats AS h ORDER BY h.id DESC LIMIT 1), false) AS large,
        coalesce((
            SELECT r.large_job_id
            FROM (SELECT h.id, h.large_job_id FROM shard_client_heartbeats AS h ORDER BY h.id DESC LIMIT 10) AS r
            WHERE r.large_job_id IS NOT NULL
            ORDER BY r.id DESC
            LIMIT 1
        ), 0) AS last_id
),
-- Counted by text alone: the jobs up to this one and their bytes, large jobs in an order of their
-- own.
by_text AS (
    SELECT p.id, t.bytes > s.bytes AS large, pg_catalog.count(*) OVER up_to AS jobs, pg_catalog.sum(t.bytes) OVER up_to AS bytes
    FROM candidate AS p
    CROSS JOIN space AS s
    CROSS JOIN turn
    CROSS JOIN LATERAL (
        SELECT (
            pg_catalog.octet_length(j.owner) + pg_catalog.octet_length(j.name) + pg_catalog.octet_length(j.email_list)
            + coalesce(pg_catalog.octet_length(j.control_file), 0)
        )::bigint AS bytes
        FROM afe_jobs AS j
        WHERE j.id = p.id
        OFFSET 0
    ) AS t
    WINDOW up_to AS (PARTITION BY t.bytes > s.bytes ORDER BY t.bytes > s.bytes AND p.id <= turn.last_id, p.id)
),
record AS (
    SELECT
        b.id, j.record, j.digest, e.entry_ids, e.complete_ids, e.entries, e.entry_digests,
        (pg_catalog.octet_length(j.record) + 1 + e.bytes)::bigint AS all_bytes
    FROM by_text AS b
    CROSS JOIN space AS s
    CROSS JOIN LATERAL (
        SELECT u.record, u.digest FROM shard_client_upload_jobs AS u WHERE u.id = b.id OFFSET 0
    ) AS j
    CROSS JOIN LATERAL (
        SELECT
            pg_catalog.array_agg(u.id) AS entry_ids,
            pg_catalog.array_agg(u.id) FILTER (WHERE u.complete) AS complete_ids,
            pg_catalog.array_agg(u.record) AS entries,
            pg_catalog.array_agg(u.digest) AS entry_digests,
            pg_catalog.sum(pg_catalog.octet_length(u.record) + 1) AS bytes
        FROM (SELECT * FROM shard_client_upload_entries WHERE job_id = b.id ORDER BY id) AS u
    ) AS e
    WHERE CASE WHEN b.large THEN b.jobs = 1 ELSE b.jobs <= @max_jobs::bigint AND b.bytes <= s.bytes END
),
-- Counted by whole records: what fits, and the large job whose turn it would be.
choice AS (
    SELECT
        r.id, r.all_bytes > s.bytes AS large, turn.large AS large_turn,
        CASE WHEN r.all_bytes > s.bytes THEN pg_catalog.count(*) OVER up_to = 1 ELSE pg_catalog.sum(r.all_bytes) OVER up_to <= s.bytes END AS may_go
    FROM record AS r
    CROSS JOIN space AS s
    CROSS JOIN turn
    WINDOW up_to AS (PARTITION BY r.all_bytes > s.bytes ORDER BY r.all_bytes > s.bytes AND r.id <= turn.last_id, r.id)
),
kind AS (
    SELECT
        pg_catalog.bool_or(c.large) AS any_large,
        pg_catalog.bool_or(c.large) AND (pg_catalog.bool_or(c.large_turn) OR NOT pg_catalog.bool_or(c.may_go AND NOT c.large)) AS large
    FROM choice AS c
)
SELECT
    p.id,
    (c.id IS NOT NULL)::boolean AS sent,
    EXISTS (SELECT FROM candidate AS q WHERE q.id = p.id)::boolean AS may_go,
    coalesce(kind.large, false)::boolean AS large,
    coalesce(kind.any_large AND NOT kind.large, false)::boolean AS large_waiting,
    coalesce(r.record, '')::text AS record,
    coalesce(r.digest, '')::bytea AS digest,
    r.entry_ids::bigint[] AS entry_ids,
    r.complete_ids::bigint[] AS complete_ids,
    r.entries::text[] AS entries,
    r.entry_digests::bytea[] AS entry_digests
FROM pending AS p
CROSS JOIN kind
LEFT JOIN choice AS c ON c.id = p.id AND c.may_go AND c.large = kind.large
LEFT JOIN record AS r ON r.id = c.id
ORDER BY p.id;
