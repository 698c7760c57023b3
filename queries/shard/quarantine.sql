-- Objects set aside (P6), one row for each direction, kind and id, or payload.

-- They travel as JSON, the payload in base64.
-- name: QuarantineWithID :execrows
INSERT INTO shard_client_quarantine AS q
    (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
SELECT
    @direction::text, s.kind, s.id, s.code, s.reason, decode(s.payload, 'base64'), s.payload_bytes,
    sha256(decode(s.payload, 'base64'))
FROM json_to_recordset(@objects::json)
    AS s (kind text, id bigint, code text, reason text, payload text, payload_bytes bigint)
WHERE s.id <> 0
ORDER BY s.kind, s.id
ON CONFLICT (direction, kind, object_id) WHERE object_id IS NOT NULL DO UPDATE
SET
    code = excluded.code, reason = excluded.reason,
    payload = excluded.payload, payload_bytes = excluded.payload_bytes, payload_digest = excluded.payload_digest,
    occurrences = q.occurrences + 1, last_seen = now();

-- name: QuarantineWithoutID :execrows
INSERT INTO shard_client_quarantine AS q
    (direction, kind, code, reason, payload, payload_bytes, payload_digest)
SELECT
    @direction::text, s.kind, s.code, s.reason, decode(s.payload, 'base64'), s.payload_bytes,
    sha256(decode(s.payload, 'base64'))
FROM json_to_recordset(@objects::json)
    AS s (kind text, id bigint, code text, reason text, payload text, payload_bytes bigint)
WHERE s.id = 0
ORDER BY s.kind, sha256(decode(s.payload, 'base64'))
ON CONFLICT (direction, kind, payload_digest) WHERE object_id IS NULL DO UPDATE
SET code = excluded.code, reason = excluded.reason, occurrences = q.occurrences + 1, last_seen = now();

-- An object that could be stored is forgotten here.
-- name: QuarantineForget :execrows
DELETE FROM shard_client_quarantine
WHERE direction = @direction::text AND kind = @kind::text AND object_id = ANY (@object_ids::bigint[]);

-- name: QuarantineList :many
SELECT direction, kind, object_id AS id, code, reason, occurrences, first_seen, last_seen
FROM shard_client_quarantine
ORDER BY direction, kind, object_id NULLS LAST, id;
