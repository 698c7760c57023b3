-- The history of beats.

-- name: HeartbeatRecord :exec
INSERT INTO shard_client_heartbeats (
    started_at, epoch, protocol, outcome, failure, error, packed_ms, rpc_ms, ack_ms, apply_ms,
    known_jobs, known_hosts, uploaded_jobs, uploaded_entries, received_hosts, received_jobs,
    received_keyvals, quarantined, large_waiting, large_job_id
) VALUES (
    @started_at, @epoch, @protocol, @outcome, @failure, @error, @packed_ms, @rpc_ms, @ack_ms, @apply_ms,
    @known_jobs, @known_hosts, @uploaded_jobs, @uploaded_entries, @received_hosts, @received_jobs,
    @received_keyvals, @quarantined, @large_waiting, @large_job_id
);

-- Whether the last beat left a job waiting that is larger than the upload limit,
-- and which such job went last: beats with and without one take turns.
-- name: HeartbeatLastLarge :one
SELECT
    coalesce((
        SELECT h.large_waiting FROM shard_client_heartbeats AS h ORDER BY h.id DESC LIMIT 1
    ), false)::boolean AS waiting,
    coalesce((
        SELECT r.large_job_id
        FROM (
            SELECT h.id, h.large_job_id FROM shard_client_heartbeats AS h ORDER BY h.id DESC LIMIT 10
        ) AS r
        WHERE r.large_job_id IS NOT NULL
        ORDER BY r.id DESC
        LIMIT 1
    ), 0)::bigint AS last_job_id;

-- name: HeartbeatPrune :execrows
DELETE FROM shard_client_heartbeats
WHERE id <= (SELECT max(h.id) FROM shard_client_heartbeats AS h) - @keep::bigint;
