-- The history of beats.

-- The beat is passed as the JSON that `once` prints. This and HistoryPrune travel together with the
-- fence, so they ask whether it has let this client pass.
-- name: HeartbeatRecord :exec
INSERT INTO shard_client_heartbeats (
    started_at, epoch, protocol, large_waiting, large_job_id, probe, batch_jobs, batch_bytes,
    outcome, failure, error, packed_ms, rpc_ms, ack_ms, apply_ms, known_jobs, known_hosts,
    uploaded_jobs, uploaded_entries, received_hosts, received_jobs, received_keyvals, quarantined
)
SELECT
    @started_at::timestamptz, @epoch::bigint, @protocol::text, @large_waiting::boolean, sqlc.narg('large_job_id')::bigint,
    @probe::text, @batch_jobs::bigint, @batch_bytes::bigint,
    b.outcome, b.failure, b.error, b.packed_ms, b.rpc_ms, b.ack_ms, b.apply_ms, b.known_jobs, b.known_hosts,
    b.uploaded_jobs, b.uploaded_entries, b.received_hosts, b.received_jobs, b.received_keyvals, b.quarantined
FROM pg_catalog.json_to_record(@beat::json) AS b (
    outcome text, failure text, error text, packed_ms double precision, rpc_ms double precision,
    ack_ms double precision, apply_ms double precision, known_jobs bigint, known_hosts bigint,
    uploaded_jobs bigint, uploaded_entries bigint, received_hosts bigint, received_jobs bigint,
    received_keyvals bigint, quarantined bigint
)
WHERE pg_catalog.current_setting('shard_client.fenced', true) = 'on';

-- What the beats of earlier processes say. Times are in seconds since 1970, 0: there is none.
-- name: HistoryRecall :one
WITH beats AS (
    SELECT
        h.id, h.outcome, h.failure, h.known_jobs, h.known_hosts, h.rpc_ms,
        extract(epoch FROM h.started_at) + (h.packed_ms + h.rpc_ms + h.ack_ms + h.apply_ms) / 1000 AS ended_at
    FROM shard_client_heartbeats AS h
),
success AS (
    SELECT b.id, b.ended_at FROM beats AS b WHERE b.outcome = 'ok' ORDER BY b.id DESC LIMIT 1
),
failure AS (
    SELECT b.ended_at, b.failure FROM beats AS b WHERE b.outcome <> 'ok' ORDER BY b.id DESC LIMIT 1
),
sent AS (
    SELECT b.known_jobs, b.known_hosts FROM beats AS b WHERE b.rpc_ms > 0 ORDER BY b.id DESC LIMIT 1
)
SELECT
    coalesce((SELECT s.ended_at FROM success AS s), 0)::double precision AS last_success,
    coalesce((SELECT f.ended_at FROM failure AS f), 0)::double precision AS last_failure,
    coalesce((SELECT f.failure FROM failure AS f), '')::text AS last_failure_class,
    (
        SELECT pg_catalog.count(*) FROM beats AS b WHERE b.id > coalesce((SELECT s.id FROM success AS s), 0)
    )::bigint AS failures,
    coalesce((SELECT s.known_jobs FROM sent AS s), 0)::bigint AS known_jobs,
    coalesce((SELECT s.known_hosts FROM sent AS s), 0)::bigint AS known_hosts;

-- Keeps history and quarantine within their limits (P9). Rows of the quarantine whose object was
-- not seen for a week go, too. Each direction has the limit for itself: a flood of bad objects from
-- the master must not push out a record that it refuses, or the search for that would begin again
-- and again.
--
-- A beat adds one row to the history, and no more rows to the quarantine than are kept. So what is
-- deleted at once is bounded, too: after the limits were lowered from a million rows, the first
-- beat does not write for a minute.
-- name: HistoryPrune :execrows
WITH quarantine AS (
    DELETE FROM shard_client_quarantine
    WHERE pg_catalog.current_setting('shard_client.fenced', true) = 'on'
        AND id = ANY (ARRAY(
            (
                SELECT q.id
                FROM shard_client_quarantine AS q
                WHERE q.last_seen < pg_catalog.now() - interval '7 days'
                ORDER BY q.last_seen
                LIMIT 1000
            )
            UNION ALL
            (
                SELECT q.id
                FROM shard_client_quarantine AS q
                WHERE q.direction = 'in'
                ORDER BY q.last_seen DESC, q.id DESC
                LIMIT greatest(1000, @quarantine_keep::bigint) OFFSET @quarantine_keep::bigint
            )
            UNION ALL
            (
                SELECT q.id
                FROM shard_client_quarantine AS q
                WHERE q.direction = 'out'
                ORDER BY q.last_seen DESC, q.id DESC
                LIMIT greatest(1000, @quarantine_keep::bigint) OFFSET @quarantine_keep::bigint
            )
        ))
)
DELETE FROM shard_client_heartbeats
WHERE pg_catalog.current_setting('shard_client.fenced', true) = 'on'
    AND id = ANY (ARRAY(
        SELECT h.id
        FROM shard_client_heartbeats AS h
        WHERE h.id <= (SELECT pg_catalog.max(l.id) FROM shard_client_heartbeats AS l) - @history_keep::bigint
        ORDER BY h.id
        LIMIT 1000
    ));
