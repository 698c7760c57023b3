-- The functions of the upload are bound to PostgreSQL's own when they are made. Their bodies were
-- texts, read anew by whoever called them: a role that may create in a schema of the caller's
-- search_path could put a convert_to(text, text) there, which fits better than PostgreSQL's own, and
-- empty every record that is sent, or act with the rights of the client. A body after RETURN is read
-- once, here, where every call names its schema. The planner inlines it as before.

-- +goose Up

CREATE OR REPLACE FUNCTION shard_client_wire_time(t timestamp) RETURNS text LANGUAGE sql STABLE
RETURN CASE
    WHEN t >= timestamp '0001-01-01' AND t < timestamp '10000-01-01' THEN pg_catalog.to_char(
        t,
        CASE
            WHEN pg_catalog.date_trunc('second', t) = t THEN 'YYYY-MM-DD"T"HH24:MI:SS'
            ELSE 'YYYY-MM-DD"T"HH24:MI:SS.MS'
        END
    )
END;

CREATE OR REPLACE FUNCTION shard_client_is_ascii(t text) RETURNS boolean LANGUAGE sql STABLE
RETURN pg_catalog.octet_length(pg_catalog.convert_to(t, 'UTF8'::name)) = pg_catalog.char_length(t)
    AND (pg_catalog.getdatabaseencoding() <> 'SQL_ASCII'::name OR t !~ '[^\x01-\x7f]'::text);

CREATE OR REPLACE FUNCTION shard_client_ascii_fields(record text) RETURNS text LANGUAGE sql STABLE
RETURN (
    SELECT pg_catalog.json_object_agg(f.key, f.value)::text
    FROM pg_catalog.json_each(record::json) AS f
    WHERE shard_client_is_ascii(f.value::text)
);

CREATE OR REPLACE FUNCTION shard_client_wire_record(record text) RETURNS text LANGUAGE sql STABLE
RETURN CASE WHEN shard_client_is_ascii(record) THEN record ELSE shard_client_ascii_fields(record) END;

-- +goose Down

CREATE OR REPLACE FUNCTION shard_client_wire_record(record text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN shard_client_is_ascii(record) THEN record ELSE shard_client_ascii_fields(record) END
$$;

CREATE OR REPLACE FUNCTION shard_client_ascii_fields(record text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_object_agg(f.key, f.value)::text
    FROM json_each(record::json) AS f
    WHERE shard_client_is_ascii(f.value::text)
$$;

CREATE OR REPLACE FUNCTION shard_client_is_ascii(t text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT octet_length(convert_to(t, 'UTF8')) = char_length(t)
        AND (getdatabaseencoding() <> 'SQL_ASCII' OR t !~ '[^\x01-\x7f]')
$$;

CREATE OR REPLACE FUNCTION shard_client_wire_time(t timestamp) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN t >= timestamp '0001-01-01' AND t < timestamp '10000-01-01' THEN to_char(
            t,
            CASE WHEN date_trunc('second', t) = t THEN 'YYYY-MM-DD"T"HH24:MI:SS' ELSE 'YYYY-MM-DD"T"HH24:MI:SS.MS' END
        )
    END
$$;
