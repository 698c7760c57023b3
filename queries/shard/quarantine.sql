-- Objects set aside (P6), one row for each direction, kind and id, or payload.

-- Objects are passed as JSON, with the payload in base64. Of several with the same id, or without
-- an id and with the same payload, the first counts.
-- name: QuarantineAdd :execrows
WITH object AS (
    SELECT DISTINCT ON (s.kind, s.id, CASE WHEN s.id = 0 THEN s.payload END)
        s.kind::text AS kind, s.id::bigint AS id, s.code::text AS code, s.reason::text AS reason,
        pg_catalog.decode(s.payload, 'base64')::bytea AS payload, s.payload_bytes::bigint AS payload_bytes,
        pg_catalog.sha256(pg_catalog.decode(s.payload, 'base64'))::bytea AS digest
    FROM ROWS FROM (
        pg_catalog.json_to_recordset(@objects::json)
            AS (kind text, id bigint, code text, reason text, payload text, payload_bytes bigint)
    ) WITH ORDINALITY AS s (kind, id, code, reason, payload, payload_bytes, place)
    ORDER BY s.kind, s.id, CASE WHEN s.id = 0 THEN s.payload END, s.place
),
with_id AS (
    INSERT INTO shard_client_quarantine AS q
        (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
    SELECT @direction::text, o.kind, o.id, o.code, o.reason, o.payload, o.payload_bytes, o.digest
    FROM object AS o
    WHERE o.id <> 0
    ORDER BY o.kind, o.id
    ON CONFLICT (direction, kind, object_id) WHERE object_id IS NOT NULL DO UPDATE
    SET
        code = excluded.code, reason = excluded.reason,
        payload = excluded.payload, payload_bytes = excluded.payload_bytes, payload_digest = excluded.payload_digest,
        occurrences = q.occurrences + 1, last_seen = pg_catalog.now()
)
INSERT INTO shard_client_quarantine AS q
    (direction, kind, code, reason, payload, payload_bytes, payload_digest)
SELECT @direction::text, o.kind, o.code, o.reason, o.payload, o.payload_bytes, o.digest
FROM object AS o
WHERE o.id = 0
ORDER BY o.kind, o.digest
ON CONFLICT (direction, kind, payload_digest) WHERE object_id IS NULL DO UPDATE
SET code = excluded.code, reason = excluded.reason, occurrences = q.occurrences + 1, last_seen = pg_catalog.now();

-- Notes the jobs or hosts here whose id the master has given to another object: nothing is sent
-- under it any more. JobsRefused and HostsRefused take such a note back.
-- name: TakenNote :execrows
INSERT INTO shard_client_taken AS here (kind, object_id, reason)
SELECT @kind::text, s.id, s.reason
FROM ROWS FROM (pg_catalog.unnest(@ids::bigint[]), pg_catalog.unnest(@reasons::text[])) AS s (id, reason)
ORDER BY s.id
ON CONFLICT (kind, object_id) DO UPDATE
SET reason = excluded.reason
WHERE here.reason <> excluded.reason;

-- Sets a finished job aside whose statements fail although it is alone, so nothing is read of it
-- here but its id. Each time they fail again, its pause doubles.
-- name: QuarantineFinished :execrows
INSERT INTO shard_client_quarantine AS q (
    direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest, retry_at
)
VALUES (
    'out', 'job', @id::bigint, @code::text, @reason::text, '', 0, '',
    pg_catalog.now() + pg_catalog.make_interval(secs => @first_seconds::double precision)
)
ON CONFLICT (direction, kind, object_id) WHERE object_id IS NOT NULL DO UPDATE
SET
    code = excluded.code, reason = excluded.reason, tried_digest = NULL,
    occurrences = q.occurrences + 1, last_seen = pg_catalog.now(),
    retry_at = pg_catalog.now() + least(
        (excluded.retry_at - pg_catalog.now()) * pg_catalog.power(2, least(q.occurrences, 30)),
        pg_catalog.make_interval(secs => @last_seconds::double precision)
    );

-- Forgets objects that could be stored, or records that passed. A row that an operator has locked
-- is passed over: it goes by age, and must not hold up what was stored.
-- name: QuarantineForget :execrows
DELETE FROM shard_client_quarantine
WHERE id = ANY (ARRAY(
    SELECT q.id
    FROM shard_client_quarantine AS q
    WHERE q.direction = @direction::text AND q.kind = @kind::text AND q.object_id = ANY (@object_ids::bigint[])
    FOR UPDATE SKIP LOCKED
));

-- The objects that PostgreSQL refused in earlier beats, or that took too long, in the order in
-- which they are tried again.
-- name: QuarantineRefusedBefore :many
SELECT object_id::bigint AS id, (code = 'too_slow')::boolean AS too_slow
FROM shard_client_quarantine
WHERE direction = 'in' AND kind = @kind::text AND code IN ('database', 'too_slow') AND object_id IS NOT NULL
ORDER BY last_seen, id;

-- Counts for the metrics and the log. Jobs that only wait for a host are counted apart, because
-- they are no alarm; taken ids are never forgotten with the rest. There are no more rows than
-- --quarantine-keep: 10,000 take 4 ms, as long as it takes to prune them.
-- name: QuarantineSize :one
SELECT
    pg_catalog.count(*) FILTER (WHERE direction = 'in')::bigint AS incoming,
    pg_catalog.count(*) FILTER (WHERE direction = 'out')::bigint AS outgoing,
    pg_catalog.count(*) FILTER (WHERE direction = 'in' AND code = 'waiting_for_host')::bigint AS waiting_for_host,
    (SELECT pg_catalog.count(*) FROM shard_client_taken)::bigint AS taken
FROM shard_client_quarantine;

-- With what is not sent because its id is taken.
-- name: QuarantineList :many
SELECT
    q.direction, q.kind, q.object_id AS id, q.code, q.reason, q.occurrences, q.first_seen, q.last_seen
FROM (
    SELECT direction, kind, object_id, code, reason, occurrences, first_seen, last_seen, id
    FROM shard_client_quarantine
    UNION ALL
    SELECT 'out', kind, object_id, kind || '_taken', reason, 1, since, since, 0
    FROM shard_client_taken
) AS q
ORDER BY q.direction, q.kind, q.object_id NULLS LAST, q.id;

-- Those of QuarantineList that were seen last. Jobs that only wait for a host are no alarm, and
-- come behind all others.
-- name: QuarantineNewest :many
SELECT
    q.direction, q.kind, q.object_id AS id, q.code, q.reason, q.occurrences, q.first_seen, q.last_seen
FROM (
    SELECT direction, kind, object_id, code, reason, occurrences, first_seen, last_seen
    FROM shard_client_quarantine
    UNION ALL
    SELECT 'out', kind, object_id, kind || '_taken', reason, 1, since, since
    FROM shard_client_taken
) AS q
ORDER BY q.code = 'waiting_for_host', q.last_seen DESC, q.direction, q.kind, q.object_id
LIMIT @at_most::bigint;
