-- What `status`, `history` and `check` ask. None of it writes, and none of it reads what is
-- finished and acknowledged, however much of it there is.

-- The newest beats, the newest first. It reads the primary key backwards until it has found enough;
-- the history has an end (--history-keep).
-- name: HistoryRead :many
SELECT
    h.id, h.started_at, h.epoch, h.protocol, h.outcome, h.failure, h.error,
    h.packed_ms, h.rpc_ms, h.ack_ms, h.apply_ms, h.known_jobs, h.known_hosts, h.uploaded_jobs, h.uploaded_entries,
    h.received_hosts, h.received_jobs, h.received_keyvals, h.quarantined,
    h.probe, h.batch_jobs, h.batch_bytes, h.large_waiting, h.large_job_id
FROM shard_client_heartbeats AS h
WHERE h.started_at >= @since::timestamptz
    AND (h.outcome <> 'ok' OR NOT @only_failed::boolean)
ORDER BY h.id DESC
LIMIT @most::bigint;

-- What the history says of success and failure, beyond the newest beats. Times are in seconds since
-- 1970, 0: there is none. All ages are by the clock of the database, so that it does not matter
-- where the question is asked.
-- name: StatusOutcome :one
WITH success AS (
    SELECT h.id, extract(epoch FROM h.started_at) + (h.packed_ms + h.rpc_ms + h.ack_ms + h.apply_ms) / 1000 AS ended_at
    FROM shard_client_heartbeats AS h
    WHERE h.outcome = 'ok'
    ORDER BY h.id DESC
    LIMIT 1
),
failed AS (
    SELECT pg_catalog.count(*) AS beats, pg_catalog.min(h.started_at) AS since
    FROM shard_client_heartbeats AS h
    WHERE h.id > coalesce((SELECT s.id FROM success AS s), 0)
)
SELECT
    pg_catalog.clock_timestamp()::timestamptz AS now,
    coalesce((SELECT s.ended_at FROM success AS s), 0)::double precision AS last_success,
    f.beats::bigint AS failures,
    coalesce(extract(epoch FROM f.since), 0)::double precision AS failing_since,
    pg_catalog.pg_is_in_recovery()::boolean AS standby
FROM failed AS f;

-- The finished jobs that wait for their upload, as PackPending finds them: those whose shard_id is
-- NULL, by an index that holds no others, and those of the ledger; but for jobs that go once more
-- because a request may have been stored late. Of a backlog no more than `most` are looked at.
-- oldest is the scheduler's time of the entry that ended first, which has no zone.
-- name: StatusPending :one
WITH unmarked AS (
    SELECT j.id FROM afe_jobs AS j WHERE j.shard_id IS NULL ORDER BY j.id LIMIT @most::bigint
),
ledger AS (
    SELECT u.job_id AS id, u.sent_complete
    FROM shard_client_uploads AS u
    CROSS JOIN LATERAL (SELECT FROM afe_jobs AS j WHERE j.id = u.job_id AND j.shard_id IS NOT NULL OFFSET 0) AS j
    LIMIT @most::bigint
),
finished AS (
    SELECT u.id, e.finished_on
    FROM unmarked AS u
    CROSS JOIN LATERAL (
        SELECT pg_catalog.min(e.finished_on) AS finished_on
        FROM afe_host_queue_entries AS e
        WHERE e.job_id = u.id AND e.complete
        HAVING pg_catalog.count(*) > 0
    ) AS e
    UNION ALL
    SELECT l.id, e.finished_on
    FROM ledger AS l
    CROSS JOIN LATERAL (
        SELECT pg_catalog.min(e.finished_on) AS finished_on
        FROM afe_host_queue_entries AS e
        WHERE e.job_id = l.id AND e.complete AND NOT e.id = ANY (l.sent_complete)
        HAVING pg_catalog.count(*) > 0
    ) AS e
)
SELECT
    pg_catalog.count(*)::bigint AS jobs,
    coalesce(pg_catalog.to_char(pg_catalog.min(f.finished_on), 'YYYY-MM-DD"T"HH24:MI:SS'), '')::text AS oldest,
    ((SELECT pg_catalog.count(*) FROM unmarked) = @most::bigint)::boolean AS more
FROM finished AS f
WHERE f.id NOT IN (SELECT t.object_id FROM shard_client_taken AS t WHERE t.kind = 'job');

-- What is not finished: from the index of open entries, which holds no others.
-- name: StatusOpen :one
SELECT
    pg_catalog.count(DISTINCT e.job_id)::bigint AS jobs,
    pg_catalog.count(*)::bigint AS entries,
    pg_catalog.count(*) FILTER (WHERE e.active)::bigint AS active,
    (SELECT pg_catalog.count(*) FROM afe_hosts AS h WHERE NOT h.invalid)::bigint AS hosts
FROM afe_host_queue_entries AS e
WHERE NOT e.complete;

-- Who holds the lock, or else who held it last: backend_pid is 0 then. address is empty for a
-- connection by a socket of the machine, and where this role may not see it.
-- name: StatusOwner :many
SELECT
    coalesce(o.epoch, 0)::bigint AS epoch,
    coalesce(o.who, '')::text AS who,
    coalesce(o.since, a.backend_start, pg_catalog.now())::timestamptz AS since,
    coalesce(l.pid, 0)::integer AS backend_pid,
    coalesce(pg_catalog.host(a.client_addr), '')::text AS address,
    coalesce(a.application_name, '')::text AS application_name
FROM (
    SELECT k.pid
    FROM pg_catalog.pg_locks AS k
    WHERE k.locktype = 'advisory'
        AND k.granted
        AND k.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
        AND k.classid = 1936220530::oid
        AND k.objid = 'shard_client_owner'::regclass::oid
) AS l
FULL JOIN shard_client_owner AS o ON o.backend_pid = l.pid
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
ORDER BY (l.pid IS NULL), o.epoch DESC NULLS LAST
LIMIT 1;
