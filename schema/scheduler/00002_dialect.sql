-- What the scheduler's SQL asks of MariaDB, and PostgreSQL can be taught. The rest takes a module for
-- Django: docs/scheduler.md. No statement of the client means anything else with these: it compares
-- no boolean with a number, and names PostgreSQL's own functions with their schema.

-- +goose Up

-- complete = 0, active <> 1: MariaDB's booleans are numbers. 1 is true, as Django writes it, and any
-- other number but 0 is neither, as there.
CREATE FUNCTION scheduler_is(boolean, integer) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT $1::integer = $2';
CREATE FUNCTION scheduler_is(integer, boolean) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT $1 = $2::integer';
CREATE FUNCTION scheduler_is_not(boolean, integer) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT $1::integer <> $2';
CREATE FUNCTION scheduler_is_not(integer, boolean) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT $1 <> $2::integer';
CREATE OPERATOR = (LEFTARG = boolean, RIGHTARG = integer, FUNCTION = scheduler_is, COMMUTATOR = =, NEGATOR = <>);
CREATE OPERATOR = (LEFTARG = integer, RIGHTARG = boolean, FUNCTION = scheduler_is, COMMUTATOR = =, NEGATOR = <>);
CREATE OPERATOR <> (LEFTARG = boolean, RIGHTARG = integer, FUNCTION = scheduler_is_not, COMMUTATOR = <>, NEGATOR = =);
CREATE OPERATOR <> (LEFTARG = integer, RIGHTARG = boolean, FUNCTION = scheduler_is_not, COMMUTATOR = <>, NEGATOR = =);

-- ORDER BY ISNULL(host_id)
CREATE FUNCTION isnull(bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1 IS NULL';

-- The id of the last row that this session made without one; 0: it has made none.
-- +goose StatementBegin
CREATE FUNCTION last_insert_id() RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN lastval();
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN 0;
END
$$;
-- +goose StatementEnd

-- GROUP_CONCAT(x): without NULLs, with commas; NULL of nothing.
CREATE FUNCTION scheduler_concat(text, text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT CASE WHEN $1 IS NULL THEN $2 WHEN $2 IS NULL THEN $1 ELSE $1 || '','' || $2 END';
CREATE FUNCTION scheduler_concat(text, bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT CASE WHEN $1 IS NULL THEN $2::text WHEN $2 IS NULL THEN $1 ELSE $1 || '','' || $2::text END';
CREATE AGGREGATE group_concat(text) (SFUNC = scheduler_concat, STYPE = text);
CREATE AGGREGATE group_concat(bigint) (SFUNC = scheduler_concat, STYPE = text);

-- +goose Down

DROP AGGREGATE group_concat(bigint);
DROP AGGREGATE group_concat(text);
DROP FUNCTION scheduler_concat(text, bigint);
DROP FUNCTION scheduler_concat(text, text);
DROP FUNCTION last_insert_id();
DROP FUNCTION isnull(bigint);
DROP OPERATOR <> (integer, boolean);
DROP OPERATOR <> (boolean, integer);
DROP OPERATOR = (integer, boolean);
DROP OPERATOR = (boolean, integer);
DROP FUNCTION scheduler_is_not(integer, boolean);
DROP FUNCTION scheduler_is_not(boolean, integer);
DROP FUNCTION scheduler_is(integer, boolean);
DROP FUNCTION scheduler_is(boolean, integer);
