-- What a shard's tables are, asked of the database itself, so that those of the scheduler move as
-- soon as they are here.

-- name: Columns :many
SELECT
    c.relname::text AS table_name,
    a.attname::text AS name,
    pg_catalog.format_type(a.atttypid, NULL)::text AS type,
    a.attnotnull::boolean AS not_null,
    (a.attidentity <> '')::boolean AS is_identity,
    coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '')::text AS default_value,
    coalesce((
        SELECT f.relname::text
        FROM pg_catalog.pg_constraint AS k
        JOIN pg_catalog.pg_class AS f ON f.oid = k.confrelid
        WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conkey = ARRAY[a.attnum]
        LIMIT 1
    ), '')::text AS refers_to
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind = 'r'
    AND c.relnamespace = (SELECT o.relnamespace FROM pg_catalog.pg_class AS o WHERE o.oid = 'shard_client_owner'::regclass)
    AND c.relname ~ '^(afe|tko|django|auth)_'
ORDER BY c.relname, a.attnum;

-- The columns that must differ between any two rows of a table.
-- name: Keys :many
SELECT
    c.relname::text AS table_name,
    i.indisprimary::boolean AS is_primary,
    ARRAY(
        SELECT a.attname::text
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
        ORDER BY a.attnum
    )::text[] AS names
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
WHERE i.indisunique
    AND i.indpred IS NULL
    AND c.relnamespace = (SELECT o.relnamespace FROM pg_catalog.pg_class AS o WHERE o.oid = 'shard_client_owner'::regclass)
    AND c.relname ~ '^(afe|tko|django|auth)_'
ORDER BY c.relname, i.indexrelid;

-- Foreign keys that have not been proven, or that nothing keeps any more.
-- name: BrokenReferences :many
SELECT c.conname::text AS name
FROM pg_catalog.pg_constraint AS c
JOIN pg_catalog.pg_class AS t ON t.oid = c.conrelid
WHERE c.contype = 'f'
    AND t.relnamespace = (SELECT o.relnamespace FROM pg_catalog.pg_class AS o WHERE o.oid = 'shard_client_owner'::regclass)
    AND t.relname ~ '^(afe|tko|django|auth)_'
    AND (NOT c.convalidated OR EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgconstraint = c.oid AND g.tgenabled = 'D'
    ));
