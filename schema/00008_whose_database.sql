-- Which database the client has served: that of a server's system identifier, by its own oid. A copy
-- or a restored dump carries the row of the original along, and so shows itself. A standby has the
-- same numbers as its primary. NULL: no client of this version has served it yet.

-- +goose Up

ALTER TABLE shard_client_owner
    ADD COLUMN system_identifier bigint,
    ADD COLUMN database_oid bigint;

-- +goose Down

ALTER TABLE shard_client_owner
    DROP COLUMN database_oid,
    DROP COLUMN system_identifier;
