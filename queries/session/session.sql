-- How every session of ours begins (runner/pg): in a known state, whatever the role, the database,
-- PGOPTIONS or a pooler's former client has set. None of this is a start parameter of the
-- connection, because a pooler refuses most of them.

-- The first statement of a session: with a role's statement_timeout of a millisecond nothing else
-- would come to its end.
-- name: SessionUnlimit :exec
SELECT pg_catalog.set_config('statement_timeout', '0', false);

-- What the connection string asks for. A name that the server does not know is an error.
-- name: SessionGiven :exec
SELECT pg_catalog.count(pg_catalog.set_config(w.key, w.value, false))
FROM pg_catalog.json_each_text(@settings::json) AS w;

-- What we need. Older servers do not know each of these settings. A server that is read-only as a
-- whole stays so: that is how an operator, or a full disk, keeps everybody from writing. A role or
-- a database that is read-only only by its own default is not.
-- name: SessionSettle :exec
SELECT pg_catalog.count(pg_catalog.set_config(s.name, w.value, false))
FROM pg_catalog.json_each_text(@settings::json) AS w
JOIN pg_catalog.pg_settings AS s ON s.name = w.key
WHERE s.name <> 'default_transaction_read_only' OR s.source IN ('database', 'user', 'database user', 'client', 'session');

-- The last statement reports whether the server takes writes, and keeps the session to the schema
-- of the tables that it has found. From then on nothing in another schema of the search_path can
-- stand before them.
-- name: SessionHome :one
SELECT
    pg_catalog.current_setting('transaction_read_only')::text AS read_only,
    coalesce((
        SELECT pg_catalog.set_config('search_path', pg_catalog.quote_ident(n.nspname) || ', pg_temp', false)
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = coalesce(pg_catalog.to_regclass('shard_client_owner'), pg_catalog.to_regclass('afe_jobs'))::oid
    ), '')::text AS search_path;

-- The server process that this statement meets. Behind a pooler it is not the one that the
-- connection began with.
-- name: SessionBackend :one
SELECT pg_catalog.pg_backend_pid()::integer;

-- For advice: where new tables would be made, where the visible ones are, and, if there are none, a
-- schema that has some but is closed to this role or not in the search_path. pg_class shows all
-- schemas to everybody.
-- name: SessionTables :one
WITH path AS (
    SELECT pg_catalog.current_setting('search_path')::text AS given
), elsewhere AS (
    SELECT
        n.nspname,
        pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usable,
        (n.nspname::text = ANY (pg_catalog.string_to_array(
            pg_catalog.replace(pg_catalog.replace(p.given, '"', ''), '$user', current_user::text), ', '))) AS on_path
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN path AS p
    WHERE c.relname = 'shard_client_owner'
    ORDER BY 3 DESC, 2 DESC, 1
    LIMIT 1
)
SELECT
    current_user::text AS role,
    p.given AS search_path,
    coalesce(pg_catalog.current_schema(), '')::text AS makes,
    coalesce((
        SELECT n.nspname
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = coalesce(pg_catalog.to_regclass('shard_client_owner'), pg_catalog.to_regclass('afe_jobs'))::oid
    ), '')::text AS has,
    coalesce(e.nspname, '')::text AS elsewhere,
    coalesce(e.usable, false)::boolean AS usable,
    coalesce(e.on_path, false)::boolean AS on_path
FROM path AS p
LEFT JOIN elsewhere AS e ON true;

-- Which of these names are taken where new tables would be made.
-- name: SessionTaken :many
SELECT c.relname::text AS name
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = pg_catalog.current_schema() AND c.relname = ANY (@names::text[])
ORDER BY c.relname;

-- Who else may create in the schema of the tables, and what is there already that could be called
-- in place of PostgreSQL's own functions: whoever the call suits better is called. Superusers and
-- the owners may do everything anyway.
-- name: SessionStrangers :one
WITH home AS (
    SELECT n.oid, n.nspname, n.nspacl, n.nspowner, c.relowner
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = pg_catalog.to_regclass('shard_client_owner')::oid
), trusted AS (
    SELECT r.oid
    FROM pg_catalog.pg_roles AS r
    CROSS JOIN home AS h
    WHERE r.rolsuper OR r.oid IN (h.nspowner, h.relowner)
)
SELECT
    h.nspname::text AS schema,
    coalesce((
        SELECT pg_catalog.string_agg(DISTINCT coalesce(r.rolname::text, 'PUBLIC'), ', ')
        FROM pg_catalog.aclexplode(h.nspacl) AS a
        LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
        WHERE a.privilege_type = 'CREATE'
            AND a.grantee NOT IN (SELECT t.oid FROM trusted AS t)
            AND r.rolname IS DISTINCT FROM current_user
    ), '')::text AS roles,
    coalesce((
        SELECT pg_catalog.string_agg(DISTINCT p.proname::text, ', ')
        FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = h.oid AND p.proowner NOT IN (SELECT t.oid FROM trusted AS t)
    ), '')::text AS functions
FROM home AS h;

-- Who owns the tables of the client, if the role of this session has not the rights of that role.
-- name: SessionNotOwned :one
SELECT coalesce(pg_catalog.max(pg_catalog.pg_get_userbyid(c.relowner)::text), '')::text AS owner
FROM pg_catalog.pg_class AS c
WHERE c.oid = pg_catalog.to_regclass('afe_jobs')::oid AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE');
