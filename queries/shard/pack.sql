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
-- job is not known here.
-- name: PackOpenJobs :one
SELECT ARRAY(
    SELECT DISTINCT e.job_id
    FROM afe_host_queue_entries AS e
    WHERE NOT e.complete
        AND e.job_id NOT IN (SELECT t.object_id FROM shard_client_taken AS t WHERE t.kind = 'job')
    ORDER BY e.job_id
)::bigint[] AS ids;

-- The jobs that go into this packet, and before them a row about all that have something to upload.
-- There are three reasons to upload a job (P1): the scheduler set shard_id to NULL and an entry is
-- complete; an entry is complete that was never acknowledged as complete; a request that may have
-- been stored late, over a completion, must be dead by now. The ledger (shard_client_uploads) knows
-- the last two. A job whose id the master has given to another job is not uploaded, because it
-- would be stored as the other's result.
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
-- No plan of this is bad, whatever PostgreSQL believes about the tables (P8): each look-up by job
-- stands behind an OFFSET 0 and uses an index, what is read of many rows is one index of jobs whose
-- shard_id is NULL, and no two long lists are joined. MATERIALIZED keeps what is read twice from
-- being worked out twice. A digest comes only with a record that leaves something out: that of all
-- others is the digest of their text.
-- name: PackUpload :many
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
),
-- may_go: ProbePlan allows it.
pending AS MATERIALIZED (
    SELECT f.id, f.bytes::bigint AS bytes, (f.id = ANY (@job_ids::bigint[])) = @only_jobs::boolean AS may_go
    FROM finished AS f
    WHERE f.id NOT IN (SELECT t.object_id FROM shard_client_taken AS t WHERE t.kind = 'job')
),
space AS MATERIALIZED (
    SELECT least(
        sqlc.arg('free_bytes')::bigint - coalesce(pg_catalog.sum(pg_catalog.octet_length(p.id::text) + 1), 0),
        sqlc.arg('batch_bytes')::bigint
    )::bigint AS bytes
    FROM pending AS p
),
-- Whether the last beat left a large job waiting, and which large job went last.
turn AS MATERIALIZED (
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
    SELECT
        p.id, p.bytes > s.bytes AS large,
        pg_catalog.count(*) OVER up_to AS jobs, pg_catalog.sum(p.bytes) OVER up_to AS bytes
    FROM pending AS p
    CROSS JOIN space AS s
    CROSS JOIN turn
    WHERE p.may_go
    WINDOW up_to AS (
        PARTITION BY p.bytes > s.bytes
        ORDER BY p.bytes > s.bytes AND p.id <= turn.last_id, p.id
        ROWS UNBOUNDED PRECEDING
    )
),
record AS MATERIALIZED (
    SELECT
        b.id, j.record, j.digest, j.version, e.entry_ids, e.complete_ids, e.entries, e.entry_digests, e.entry_versions,
        (pg_catalog.octet_length(j.record) + 1 + e.bytes)::bigint AS all_bytes
    FROM by_text AS b
    CROSS JOIN space AS s
    CROSS JOIN LATERAL (
        SELECT u.record, CASE WHEN u.left_out THEN u.digest END AS digest, u.version
        FROM shard_client_upload_jobs AS u
        WHERE u.id = b.id
        OFFSET 0
    ) AS j
    CROSS JOIN LATERAL (
        SELECT
            pg_catalog.array_agg(u.id) AS entry_ids,
            pg_catalog.array_agg(u.id) FILTER (WHERE u.complete) AS complete_ids,
            pg_catalog.array_agg(u.record) AS entries,
            pg_catalog.array_agg(u.digest) AS entry_digests,
            pg_catalog.array_agg(u.version) AS entry_versions,
            pg_catalog.sum(pg_catalog.octet_length(u.record) + 1) AS bytes
        FROM (
            SELECT v.id, v.complete, v.record, CASE WHEN v.left_out THEN v.digest END AS digest, v.version
            FROM shard_client_upload_entries AS v
            WHERE v.job_id = b.id
            ORDER BY v.id
        ) AS u
    ) AS e
    WHERE CASE WHEN b.large THEN b.jobs = 1 ELSE b.jobs <= @max_jobs::bigint AND b.bytes <= s.bytes END
),
-- Counted by whole records: what fits, and the large job whose turn it would be. Without the
-- records themselves: what is sorted and stored once more had better be narrow.
choice AS MATERIALIZED (
    SELECT
        r.id, r.all_bytes > s.bytes AS large, turn.large AS large_turn,
        CASE WHEN r.all_bytes > s.bytes THEN pg_catalog.count(*) OVER up_to = 1 ELSE pg_catalog.sum(r.all_bytes) OVER up_to <= s.bytes END AS may_go
    FROM record AS r
    CROSS JOIN space AS s
    CROSS JOIN turn
    WINDOW up_to AS (
        PARTITION BY r.all_bytes > s.bytes
        ORDER BY r.all_bytes > s.bytes AND r.id <= turn.last_id, r.id
        ROWS UNBOUNDED PRECEDING
    )
),
kind AS MATERIALIZED (
    SELECT
        pg_catalog.bool_or(c.large) AS any_large,
        pg_catalog.bool_or(c.large) AND (pg_catalog.bool_or(c.large_turn) OR NOT pg_catalog.bool_or(c.may_go AND NOT c.large)) AS large
    FROM choice AS c
)
SELECT
    true::boolean AS is_total,
    (SELECT pg_catalog.count(*) FROM pending)::bigint AS pending,
    ARRAY(SELECT p.id FROM pending AS p WHERE NOT p.may_go ORDER BY p.id)::bigint[] AS held_ids,
    ARRAY(
        SELECT w.id
        FROM (
            SELECT p.id FROM pending AS p WHERE p.may_go
            EXCEPT
            SELECT c.id FROM choice AS c WHERE c.may_go AND c.large = kind.large
        ) AS w
        ORDER BY w.id
    )::bigint[] AS waiting_ids,
    coalesce(kind.any_large AND NOT kind.large, false)::boolean AS large_waiting,
    0::bigint AS id,
    false::boolean AS large,
    ''::text AS record,
    ''::bytea AS digest,
    0::bigint AS version,
    '{}'::bigint[] AS entry_ids,
    '{}'::bigint[] AS complete_ids,
    '{}'::text[] AS entries,
    '{}'::bytea[] AS entry_digests,
    '{}'::bigint[] AS entry_versions
FROM kind
UNION ALL
SELECT
    false, 0, '{}', '{}', false, r.id, kind.large, r.record, r.digest, r.version,
    r.entry_ids, r.complete_ids, r.entries, r.entry_digests, r.entry_versions
FROM record AS r
CROSS JOIN kind
-- IS TRUE: such a list is hashed once, whatever its length is thought to be; a join need not be.
WHERE (r.id IN (SELECT c.id FROM choice AS c CROSS JOIN kind AS k WHERE c.may_go AND c.large = k.large)) IS TRUE
ORDER BY is_total DESC, id;
