-- Objects set aside (P6), one row for each direction, kind and id, or payload.

-- Objects are passed as JSON, with the payload in base64. Of several with the same id, or without
-- an id and with the same payload, the first counts.
-- name: QuarantineAdd :execrows
WITH object AS (
    SELECT DISTINCT ON (s.kind, s.id, CASE WHEN s.id = 0 THEN s.payload END)
        s.kind::text AS kind, s.id::bigint AS id, s.code::text AS code, s.reason::text AS reason,
        decode(s.payload, 'base64')::bytea AS payload, s.payload_bytes::bigint AS payload_bytes,
        sha256(decode(s.payload, 'base64'))::bytea AS digest
    FROM ROWS FROM (
        json_to_recordset(@objects::json)
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
        occurrences = q.occurrences + 1, last_seen = now()
)
INSERT INTO shard_client_quarantine AS q
    (direction, kind, code, reason, payload, payload_bytes, payload_digest)
SELECT @direction::text, o.kind, o.code, o.reason, o.payload, o.payload_bytes, o.digest
FROM object AS o
WHERE o.id = 0
ORDER BY o.kind, o.digest
ON CONFLICT (direction, kind, payload_digest) WHERE object_id IS NULL DO UPDATE
SET code = excluded.code, reason = excluded.reason, occurrences = q.occurrences + 1, last_seen = now();

-- Forgets objects that could be stored, or records that passed. A row that an operator has locked is
-- passed over: it goes by age, and must not hold up what was stored.
-- name: QuarantineForget :execrows
DELETE FROM shard_client_quarantine
WHERE id = ANY (ARRAY(
    SELECT q.id
    FROM shard_client_quarantine AS q
    WHERE q.direction = @direction::text AND q.kind = @kind::text AND q.object_id = ANY (@object_ids::bigint[])
    FOR UPDATE SKIP LOCKED
));

-- The objects that PostgreSQL refused in earlier beats, in the order in which they are tried again.
-- name: QuarantineRefusedBefore :many
SELECT object_id::bigint AS id
FROM shard_client_quarantine
WHERE direction = 'in' AND kind = @kind::text AND code = 'database' AND object_id IS NOT NULL
ORDER BY last_seen, id;

-- Counts for the metrics and the log. Jobs that only wait for a host are counted apart, because
-- they are no alarm. There are no more rows than --quarantine-keep: 10,000 take 4 ms, as long as it
-- takes to prune them.
-- name: QuarantineSize :one
SELECT
    count(*) FILTER (WHERE direction = 'in')::bigint AS incoming,
    count(*) FILTER (WHERE direction = 'out')::bigint AS outgoing,
    count(*) FILTER (WHERE direction = 'in' AND code = 'waiting_for_host')::bigint AS waiting_for_host
FROM shard_client_quarantine;

-- name: QuarantineList :many
SELECT direction, kind, object_id AS id, code, reason, occurrences, first_seen, last_seen
FROM shard_client_quarantine
ORDER BY direction, kind, object_id NULLS LAST, id;
