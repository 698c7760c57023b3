-- What a master tells of its shards.

-- name: ShardsList :many
SELECT
    s.id,
    s.hostname,
    ARRAY(
        SELECT l.name FROM afe_shards_labels AS m JOIN afe_labels AS l ON l.id = m.label_id WHERE m.shard_id = s.id ORDER BY l.name
    )::text[] AS labels
FROM afe_shards AS s
WHERE @hostname::text = ''
    OR s.hostname = @hostname::text
    OR (@nocase::boolean AND lower(rtrim(s.hostname)) = lower(rtrim(@hostname::text)))
ORDER BY s.id;
