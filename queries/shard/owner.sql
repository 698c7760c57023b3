-- One client per shard (P7): an advisory lock on a connection of its own, and an epoch that stops
-- every write of a client that lost the lock.

-- The key is the oid of the table whose row has the epoch, after four letters of our name
-- (1936220530 is "shar"). So the lock belongs to the tables, in whatever search_path a client has
-- found them, and several shards can live in one database.
-- name: OwnerTryLock :one
SELECT pg_catalog.pg_try_advisory_lock(1936220530::bigint << 32 | 'shard_client_owner'::regclass::oid::bigint)::boolean AS locked;

-- name: OwnerUnlock :exec
SELECT pg_catalog.pg_advisory_unlock(1936220530::bigint << 32 | 'shard_client_owner'::regclass::oid::bigint);

-- Returns the holder of the lock. One that has the lock but has not yet written its name is known
-- by its server process only.
-- name: OwnerHolder :many
SELECT
    l.pid::integer AS backend_pid,
    coalesce(o.epoch, 0)::bigint AS epoch,
    coalesce(o.who, '')::text AS who,
    coalesce(o.since, pg_catalog.now())::timestamptz AS since
FROM pg_catalog.pg_locks AS l
LEFT JOIN shard_client_owner AS o ON o.backend_pid = l.pid
WHERE l.locktype = 'advisory'
    AND l.granted
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
    AND l.classid = 1936220530::oid
    AND l.objid = 'shard_client_owner'::regclass::oid;

-- Reports whether this very session took the lock under this epoch and still has it. A pooler may
-- have given it another server process.
-- name: OwnerHeld :one
SELECT EXISTS (
    SELECT
    FROM shard_client_owner AS o
    JOIN pg_catalog.pg_locks AS l ON l.pid = o.backend_pid
    WHERE o.epoch = @epoch::bigint
        AND o.backend_pid = pg_catalog.pg_backend_pid()
        AND l.locktype = 'advisory'
        AND l.granted
        AND l.classid = 1936220530::oid
        AND l.objid = 'shard_client_owner'::regclass::oid
);

-- The identifier of this server, which its standbys share. A role may be kept from asking.
-- name: OwnerSystem :one
SELECT s.system_identifier::bigint FROM pg_catalog.pg_control_system() AS s;

-- Where the database was served before, and where it is served now. No row: it never was.
-- name: OwnerOrigin :many
SELECT
    coalesce(o.system_identifier, 0)::bigint AS system_identifier,
    coalesce(o.database_oid, 0)::bigint AS database_oid,
    d.oid::bigint AS here,
    o.who,
    o.since
FROM shard_client_owner AS o
JOIN pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database();

-- Notes where the database is served from now on.
-- name: OwnerSettle :exec
UPDATE shard_client_owner
SET system_identifier = nullif(@system_identifier::bigint, 0),
    database_oid = (SELECT d.oid::bigint FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database());

-- Raises the epoch. It waits for the write transactions of the previous owner, which hold the row
-- FOR SHARE; whatever that owner begins later finds no row.
--
-- Whoever served before, a job that is in the middle of its entries may complete without a NULL,
-- and what its complete entries said may be lost. So each job with a complete and an open entry
-- that is neither in the ledger nor asks for an upload gets a row in which nothing counts as sent,
-- and is uploaded once more. That is always safe (P3), unlike taking it for sent. The jobs come
-- first, each once: a job may have 32,768 open entries, and for each of them all would be read.
-- name: OwnerTake :one
WITH inherited AS (
    INSERT INTO shard_client_uploads (job_id)
    SELECT o.job_id
    FROM (SELECT DISTINCT e.job_id FROM afe_host_queue_entries AS e WHERE NOT e.complete) AS o
    WHERE EXISTS (
            SELECT FROM afe_host_queue_entries AS e
            WHERE e.job_id = o.job_id AND e.complete
            OFFSET 0
        )
        AND EXISTS (SELECT FROM afe_jobs AS j WHERE j.id = o.job_id AND j.shard_id IS NOT NULL OFFSET 0)
    ORDER BY o.job_id
    ON CONFLICT (job_id) DO NOTHING
)
INSERT INTO shard_client_owner AS o (epoch, who, since, backend_pid)
VALUES (1, @who::text, pg_catalog.now(), pg_catalog.pg_backend_pid())
ON CONFLICT (only_row) DO UPDATE
SET epoch = o.epoch + 1, who = excluded.who, since = excluded.since, backend_pid = excluded.backend_pid
RETURNING epoch;

-- The fence, the first statement of every write transaction. No row means that another client took
-- over, or that the connection with the lock is gone. A statement that travels together with the
-- fence asks shard_client.fenced; it is set only after the row has been waited for and found.
-- name: OwnerFence :many
WITH fence AS MATERIALIZED (
    SELECT o.epoch
    FROM shard_client_owner AS o
    WHERE o.epoch = @epoch::bigint
        AND EXISTS (
            SELECT FROM pg_catalog.pg_locks AS l
            WHERE l.pid = o.backend_pid
                AND l.locktype = 'advisory'
                AND l.granted
                AND l.classid = 1936220530::oid
                AND l.objid = 'shard_client_owner'::regclass::oid
        )
    FOR SHARE OF o
)
SELECT f.epoch, pg_catalog.set_config('shard_client.fenced', 'on', true)::text AS fenced
FROM fence AS f;

-- What the fence asks, for a transaction that only reads: it locks no row.
-- name: OwnerLook :many
SELECT o.epoch
FROM shard_client_owner AS o
WHERE o.epoch = @epoch::bigint
    AND EXISTS (
        SELECT FROM pg_catalog.pg_locks AS l
        WHERE l.pid = o.backend_pid
            AND l.locktype = 'advisory'
            AND l.granted
            AND l.classid = 1936220530::oid
            AND l.objid = 'shard_client_owner'::regclass::oid
    );

-- Waits until no transaction of the client that serves this shard is under way, and lets none begin
-- until this one ends: each begins with the fence. Whoever takes the lock anew waits, too.
-- name: OwnerPause :exec
SELECT FROM shard_client_owner FOR UPDATE;
