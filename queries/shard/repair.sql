-- What a person mends: the objects that are set aside, and what stands in their way. A beat runs
-- none of this. Each change is one transaction of lock.Beside, between two of the client's.

-- The objects that a person means, as in QuarantineList, with the key of their row; 0: it is an id
-- that is taken, which has a row of its own. An empty text and a NULL stand for whatever there is.
-- Payloads may be 600 MB together, so they are read one by one.
-- name: RepairFind :many
SELECT
    q.direction, q.kind, q.object_id AS id, q.code, q.reason, q.occurrences, q.first_seen, q.last_seen,
    q.retry_at, q.payload_bytes, q.row_id
FROM (
    SELECT
        direction, kind, object_id, code, reason, occurrences, first_seen, last_seen, retry_at, payload_bytes,
        id AS row_id
    FROM shard_client_quarantine
    UNION ALL
    SELECT 'out', kind, object_id, kind || '_taken', reason, 1, since, since, NULL, 0, 0
    FROM shard_client_taken
) AS q
WHERE @direction::text IN ('', q.direction)
    AND @kind::text IN ('', q.kind)
    AND @code::text IN ('', q.code)
    AND (NOT @without_id::boolean OR q.object_id IS NULL)
    AND coalesce(q.object_id = sqlc.narg('id')::bigint, sqlc.narg('id')::bigint IS NULL)
ORDER BY q.direction, q.kind, q.object_id NULLS LAST, q.row_id;

-- name: RepairPayload :one
SELECT payload FROM shard_client_quarantine WHERE id = @id;

-- name: RepairRetry :execrows
UPDATE shard_client_quarantine SET retry_at = pg_catalog.now() WHERE id = ANY (@ids::bigint[]) AND direction = 'out';

-- Returns the rows that were still there: whatever went meanwhile has passed, and is not given up.
-- name: RepairForget :many
DELETE FROM shard_client_quarantine WHERE id = ANY (@ids::bigint[]) RETURNING id;

-- Locks jobs, so that RepairGiveUp sees all that the scheduler has said about them. What it commits
-- later is a new NULL, or a completion that the ledger lacks, and is uploaded.
-- name: RepairLockJobs :many
SELECT j.id
FROM afe_jobs AS j
WHERE j.id = ANY (@ids::bigint[])
ORDER BY j.id
FOR UPDATE;

-- Gives up what jobs have said until now, as if the master had taken it: their shard_id becomes
-- this shard's, and of one with an open entry the ledger keeps what is complete, so that only what
-- comes later is uploaded. This shard is found as in AcknowledgeJobs; the transaction begins with
-- AcknowledgeBegin. Returns how many jobs are here.
-- name: RepairGiveUp :one
WITH own AS (
    SELECT o.id
    FROM (
        SELECT s.id, s.hostname = @shard_hostname::text AS exact, pg_catalog.count(*) OVER () AS alike
        FROM afe_shards AS s
        WHERE pg_catalog.lower(pg_catalog.rtrim(s.hostname, '. ')) = pg_catalog.lower(pg_catalog.rtrim(@shard_hostname::text, '. '))
            OR s.id::text = @shard_hostname::text
    ) AS o
    WHERE o.exact OR o.alike = 1
),
here AS (
    SELECT j.id, own.id AS shard_id, e.ids AS complete_ids, e.open
    FROM own
    CROSS JOIN afe_jobs AS j
    CROSS JOIN LATERAL (
        SELECT
            coalesce(pg_catalog.array_agg(e.id ORDER BY e.id) FILTER (WHERE e.complete), '{}') AS ids,
            coalesce(pg_catalog.bool_or(NOT e.complete), false) AS open
        FROM afe_host_queue_entries AS e
        WHERE e.job_id = j.id
    ) AS e
    WHERE j.id = ANY (@ids::bigint[])
),
marked AS (
    UPDATE afe_jobs AS j SET shard_id = h.shard_id FROM here AS h WHERE j.id = h.id AND j.shard_id IS NULL
),
settled AS (
    DELETE FROM shard_client_uploads AS u USING here AS h WHERE u.job_id = h.id AND NOT h.open
),
remembered AS (
    INSERT INTO shard_client_uploads AS u (job_id, sent_complete)
    SELECT h.id, h.complete_ids FROM here AS h WHERE h.open ORDER BY h.id
    ON CONFLICT (job_id) DO UPDATE
    SET sent_complete = excluded.sent_complete, unsure_since = NULL, other_client = false
)
SELECT EXISTS (SELECT FROM own)::boolean AS known, (SELECT pg_catalog.count(*) FROM here)::bigint AS jobs;

-- Deletes jobs whose ids are taken, with all that belongs to them, so that the master's come in.
-- name: RepairDeleteJobs :execrows
WITH entry AS (
    SELECT e.id FROM afe_host_queue_entries AS e WHERE e.job_id = ANY (@ids::bigint[])
),
aborted AS (
    DELETE FROM afe_aborted_host_queue_entries WHERE queue_entry_id IN (SELECT e.id FROM entry AS e)
),
entries AS (
    DELETE FROM afe_host_queue_entries WHERE id IN (SELECT e.id FROM entry AS e)
),
labels AS (
    DELETE FROM afe_jobs_dependency_labels WHERE job_id = ANY (@ids::bigint[])
),
keyvals AS (
    DELETE FROM afe_job_keyvals WHERE job_id = ANY (@ids::bigint[])
)
DELETE FROM afe_jobs WHERE id = ANY (@ids::bigint[]);

-- Entries of hosts that have not ended, so that the hosts must stay.
-- name: RepairOpenEntries :many
SELECT e.host_id::bigint AS host_id, pg_catalog.count(*)::bigint AS entries
FROM afe_host_queue_entries AS e
WHERE e.host_id = ANY (@ids::bigint[]) AND NOT e.complete
GROUP BY e.host_id
ORDER BY e.host_id
LIMIT 1;

-- Deletes hosts whose ids are taken. Their finished entries then name no host.
-- name: RepairDeleteHosts :execrows
WITH ended AS (
    UPDATE afe_host_queue_entries SET host_id = NULL WHERE host_id = ANY (@ids::bigint[]) AND complete
),
labels AS (
    DELETE FROM afe_hosts_labels WHERE host_id = ANY (@ids::bigint[])
),
acl_groups AS (
    DELETE FROM afe_acl_groups_hosts WHERE host_id = ANY (@ids::bigint[])
),
attributes AS (
    DELETE FROM afe_host_attributes WHERE host_id = ANY (@ids::bigint[])
)
DELETE FROM afe_hosts WHERE id = ANY (@ids::bigint[]);

-- name: RepairForgetTaken :many
DELETE FROM shard_client_taken WHERE kind = @kind::text AND object_id = ANY (@ids::bigint[]) RETURNING object_id;

-- name: RepairHostIsHere :one
SELECT EXISTS (SELECT FROM afe_hosts AS h WHERE h.id = @id::bigint AND NOT h.invalid)::boolean AS here;

-- Gives a host whose id is taken the name that it has on the master.
-- name: RepairRename :execrows
UPDATE afe_hosts AS h
SET hostname = @hostname::text
WHERE h.id = @id::bigint
    AND EXISTS (SELECT FROM shard_client_taken AS t WHERE t.kind = 'host' AND t.object_id = h.id);

-- The values that a key of a job has here.
-- name: RepairKeyval :many
SELECT value FROM afe_job_keyvals WHERE job_id = @job_id AND key = @key;

-- name: RepairAddKeyval :exec
INSERT INTO afe_job_keyvals (job_id, key, value) VALUES (@job_id, @key, @value);

-- The sessions of this database: who holds a transaction open, for how long, and whom it keeps
-- waiting. Of another role's session PostgreSQL hides even what kind of backend it is, and all
-- times, unless this role may read pg_stat_activity whole (pg_read_all_stats). What is in pg_locks
-- everybody sees: each transaction holds its virtual id, and whoever waits lacks a lock.
-- name: SessionList :many
SELECT
    a.pid::integer AS pid,
    coalesce(a.usename, '')::text AS role,
    coalesce(a.application_name, '')::text AS application,
    coalesce(pg_catalog.host(a.client_addr), '')::text AS address,
    coalesce(a.state, '')::text AS state,
    a.backend_start AS started,
    coalesce(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start), 0)::double precision AS transaction_seconds,
    (a.xact_start IS NOT NULL)::boolean AS times_known,
    EXISTS (
        SELECT FROM pg_catalog.pg_locks AS l WHERE l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted
    )::boolean AS in_transaction,
    pg_catalog.left(coalesce(a.query, ''), 200)::text AS query,
    ARRAY(
        SELECT w.pid
        FROM pg_catalog.pg_stat_activity AS w
        WHERE w.datname = a.datname
            AND EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE l.pid = w.pid AND NOT l.granted)
            AND a.pid = ANY (pg_catalog.pg_blocking_pids(w.pid))
        ORDER BY w.pid
    )::integer[] AS blocks,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_locks AS l
        WHERE l.pid = a.pid
            AND l.locktype = 'advisory'
            AND l.granted
            AND l.database = a.datid
            AND l.classid = 1936220530::oid
            AND l.objid = pg_catalog.to_regclass('shard_client_owner')::oid
    )::boolean AS holds_lock
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = pg_catalog.current_database()
    AND coalesce(a.backend_type, 'client backend') = 'client backend'
    AND a.usesysid IS NOT NULL
    AND a.pid <> pg_catalog.pg_backend_pid()
ORDER BY a.xact_start NULLS LAST, in_transaction DESC, a.pid;

-- Ends the session that was found, and no other that has its pid by now. Where its start may not be
-- seen, the role must do.
-- name: SessionEnd :one
SELECT coalesce((
    SELECT pg_catalog.pg_terminate_backend(a.pid)
    FROM pg_catalog.pg_stat_activity AS a
    WHERE a.pid = @pid::integer
        AND a.datname = pg_catalog.current_database()
        AND coalesce(a.usename, '') = @role::text
        AND a.backend_start IS NOT DISTINCT FROM sqlc.narg('started')::timestamptz
), false)::boolean AS ended;

-- Where the tables are, and whose.
-- name: RepairHome :one
SELECT
    pg_catalog.current_database()::text AS database,
    n.nspname::text AS schema,
    pg_catalog.pg_get_userbyid(c.relowner)::text AS owner
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = 'shard_client_owner'::regclass;

-- The triggers of ours that somebody has disabled. One of the site calls no function of ours.
-- name: RepairTriggersOff :many
SELECT (t.tgrelid::regclass::text || ' ' || t.tgname::text)::text AS name
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_class AS o ON o.oid = 'shard_client_owner'::regclass AND o.relnamespace = c.relnamespace
WHERE t.tgenabled = 'D' AND p.pronamespace = c.relnamespace AND p.proname LIKE 'shard\_client\_%'
ORDER BY name;

-- Enables them, in a block of its own: the name of a table is no parameter.
-- name: RepairTriggers :exec
DO $$
DECLARE
    off record;
BEGIN
    FOR off IN
        SELECT t.tgrelid::regclass AS of_table, t.tgname AS name
        FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
        JOIN pg_catalog.pg_class AS o ON o.oid = 'shard_client_owner'::regclass AND o.relnamespace = c.relnamespace
        WHERE t.tgenabled = 'D' AND p.pronamespace = c.relnamespace AND p.proname LIKE 'shard\_client\_%'
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE TRIGGER %I', off.of_table, off.name);
    END LOOP;
END
$$;
