UPDATE {table} AS t
SET {column} = p.parent_id
FROM (SELECT pg_catalog.unnest($1::bigint[]) AS id, pg_catalog.unnest($2::bigint[]) AS parent_id) AS p
WHERE t.{key} = p.id
