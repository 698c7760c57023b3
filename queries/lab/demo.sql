-- Counts for a live demo.

-- Counts the jobs that suites made. A job is finished when none of its entries is
-- open.
-- name: DemoMaster :one
SELECT
    count(*)::bigint AS created,
    count(j.shard_id)::bigint AS assigned,
    count(*) FILTER (
        WHERE NOT EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = j.id AND NOT e.complete)
    )::bigint AS finished,
    (
        SELECT count(*)
        FROM afe_jobs AS p
        WHERE p.parent_job_id IS NULL
            AND EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = p.id AND NOT e.complete)
    )::bigint AS open_suites
FROM afe_jobs AS j
WHERE j.parent_job_id IS NOT NULL;

-- What a shard has, runs and has still to say. A finished job with no shard waits
-- for its upload.
-- name: DemoShard :one
SELECT
    (SELECT count(*) FROM afe_hosts AS h WHERE NOT h.invalid)::bigint AS hosts,
    count(DISTINCT e.host_id) FILTER (WHERE e.active AND NOT e.complete)::bigint AS busy_hosts,
    count(DISTINCT e.job_id) FILTER (WHERE e.active AND NOT e.complete)::bigint AS running,
    count(DISTINCT e.job_id) FILTER (WHERE NOT e.complete)::bigint AS open,
    count(DISTINCT e.job_id)::bigint AS jobs,
    (
        SELECT count(*)
        FROM afe_jobs AS j
        WHERE j.shard_id IS NULL
            AND NOT EXISTS (SELECT FROM afe_host_queue_entries AS o WHERE o.job_id = j.id AND NOT o.complete)
    )::bigint AS to_send
FROM afe_host_queue_entries AS e;

-- The beats after one that was seen already, the oldest first.
-- name: DemoBeats :many
SELECT
    h.id,
    h.started_at,
    (h.outcome = 'ok')::boolean AS ok,
    (h.packed_ms + h.rpc_ms + h.ack_ms + h.apply_ms)::double precision AS took_ms
FROM shard_client_heartbeats AS h
WHERE h.id > @after_id::bigint
ORDER BY h.id;

-- Counts the entries of jobs that have not come to their end.
-- name: DemoOpenEntries :one
SELECT count(*)::bigint
FROM afe_host_queue_entries AS e
WHERE e.job_id = ANY(@job_ids::bigint[]) AND NOT e.complete;

-- name: DemoHasHost :one
SELECT EXISTS (SELECT FROM afe_hosts AS h WHERE h.hostname = @hostname::text AND NOT h.invalid)::boolean;

-- Cuts the connections of the shard-client that works on this database, as a firewall
-- or a pooler that restarts does.
-- name: DemoCutClient :one
SELECT count(pg_catalog.pg_terminate_backend(a.pid))::bigint
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = pg_catalog.current_database() AND a.application_name LIKE 'shard-client%';
