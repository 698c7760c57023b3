-- A step locks the rows that it needs before it writes, and passes over those that another session
-- has locked; see queries/shard/locks.sql.

-- +goose Up

-- Locks the rows of a table with these ids, and returns the ids of those that another session keeps
-- it from locking. It waits for none of them. An id that has no row is not returned. The strength is
-- that of a locking clause, such as KEY SHARE. ROWS 1: nearly always it returns none.
-- +goose StatementBegin
CREATE FUNCTION shard_client_locked(of_table regclass, strength text, ids bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE ROWS 1 SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'WITH free AS (SELECT t.id FROM %1$s AS t WHERE t.id = ANY ($1) FOR %2$s SKIP LOCKED)
        SELECT h.id FROM %1$s AS h WHERE h.id = ANY ($1) AND NOT EXISTS (SELECT FROM free AS f WHERE f.id = h.id)',
        of_table, strength
    ) USING ids;
END
$$;
-- +goose StatementEnd

-- +goose Down

DROP FUNCTION shard_client_locked(regclass, text, bigint[]);
