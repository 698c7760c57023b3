-- The rights that the role of `shard-client run`, `once`, `check`, `status`, `history`, `quarantine
-- list` and `migrate status` needs, and no others. `migrate up` and `migrate down` need the owner of
-- the database, which should be another role. A superuser makes the one of this file: CREATE ROLE
-- shard_client LOGIN.
--
-- Run it by psql, as the owner of the database, who made the tables and owns its schema public. Run
-- it after every migration, too:
--
--     psql --set ON_ERROR_STOP=1 --username OWNER --file grants.sql autotest
--
-- A role of another name: --set role=NAME.
--
-- A test runs whole conversations with exactly these rights, and shows that each is needed. The
-- column lists keep promise P5 in the database, too: the role can write neither the status of a
-- host nor that of an entry, and no completion.
--
-- The right to update an id is there only because PostgreSQL wants a right to update some column
-- for SELECT FOR UPDATE: rows that are to be deleted are locked first. No id is ever written.

\if :{?role}
\else
    \set role shard_client
\endif

BEGIN;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM :"role";

-- A function of somebody else in the schema of the tables could be called in place of PostgreSQL's
-- own. This is the default since PostgreSQL 15, but not for databases that were upgraded.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
GRANT USAGE ON SCHEMA public TO :"role";

-- The version of the schema.
GRANT SELECT ON goose_db_version TO :"role";

-- What the master names. Ids are the master's, or of identity columns: no sequence is used by name.
GRANT SELECT, INSERT, UPDATE (hostname) ON afe_shards TO :"role";
GRANT SELECT, INSERT, UPDATE (name) ON afe_labels TO :"role";
GRANT SELECT, INSERT, UPDATE (shard_id) ON afe_shards_labels TO :"role";
GRANT SELECT, INSERT, UPDATE (name) ON afe_acl_groups TO :"role";
GRANT SELECT, INSERT,
    UPDATE (login, access_level, reboot_before, reboot_after, drone_set_id, show_experimental)
    ON afe_users TO :"role";
GRANT SELECT, INSERT, DELETE ON afe_acl_groups_users TO :"role";

GRANT SELECT, INSERT, UPDATE (hostname, invalid, shard_id) ON afe_hosts TO :"role";
GRANT SELECT, INSERT, UPDATE (id), DELETE ON afe_hosts_labels TO :"role";
GRANT SELECT, INSERT, UPDATE (id), DELETE ON afe_acl_groups_hosts TO :"role";
GRANT SELECT, INSERT, UPDATE (id), DELETE ON afe_host_attributes TO :"role";

GRANT SELECT, INSERT, UPDATE (shard_id) ON afe_jobs TO :"role";
GRANT SELECT, INSERT, UPDATE (aborted, meta_host) ON afe_host_queue_entries TO :"role";
GRANT SELECT, INSERT ON afe_jobs_dependency_labels TO :"role";
GRANT SELECT, INSERT, UPDATE (value), DELETE ON afe_job_keyvals TO :"role";

-- What the client keeps for itself.
GRANT SELECT, INSERT, UPDATE (epoch, who, since, backend_pid, system_identifier, database_oid) ON shard_client_owner TO :"role";
GRANT SELECT, INSERT, UPDATE (sent_complete, unsure_since, other_client), DELETE ON shard_client_uploads TO :"role";
GRANT SELECT, INSERT, UPDATE (unsure_since, answered, repeats), DELETE ON shard_client_packets TO :"role";
GRANT SELECT, INSERT, DELETE ON shard_client_heartbeats TO :"role";
GRANT SELECT, INSERT, DELETE,
    UPDATE (code, reason, payload, payload_bytes, payload_digest, occurrences, last_seen, tried_digest, retry_at)
    ON shard_client_quarantine TO :"role";
GRANT SELECT, INSERT, UPDATE (state, reason), DELETE ON shard_client_suspects TO :"role";
GRANT SELECT, INSERT, UPDATE (reason), DELETE ON shard_client_taken TO :"role";
GRANT SELECT ON shard_client_upload_jobs TO :"role";
GRANT SELECT ON shard_client_upload_entries TO :"role";
GRANT SELECT, INSERT, DELETE ON shard_client_staged_hosts TO :"role";
GRANT SELECT, INSERT, UPDATE (old_id), DELETE ON shard_client_staged_parents TO :"role";

-- What the client calls, by itself or in a view. Everybody may, unless the site has taken that from
-- PUBLIC.
GRANT EXECUTE ON FUNCTION shard_client_wire_time(timestamp) TO :"role";
GRANT EXECUTE ON FUNCTION shard_client_is_ascii(text) TO :"role";
GRANT EXECUTE ON FUNCTION shard_client_ascii_fields(text) TO :"role";
GRANT EXECUTE ON FUNCTION shard_client_wire_record(text) TO :"role";
GRANT EXECUTE ON FUNCTION shard_client_upload_digest(bigint) TO :"role";
GRANT EXECUTE ON FUNCTION shard_client_locked(regclass, text, bigint[]) TO :"role";

COMMIT;
