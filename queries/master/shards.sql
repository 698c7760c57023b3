-- What a master tells of its shards.

-- name: ShardsList :many
SELECT
    s.id,
    s.hostname,
    ARRAY(
        SELECT l.name FROM afe_shards_labels AS m JOIN afe_labels AS l ON l.id = m.label_id WHERE m.shard_id = s.id ORDER BY l.name
    )::text[] AS labels
FROM afe_shards AS s
ORDER BY s.id;
