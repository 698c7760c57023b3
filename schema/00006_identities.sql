-- An id means one object here and on the master. Local ids start past the master's, and an id that
-- the master has given out a second time is noticed
-- (docs/decisions/0030-an-id-that-names-another-object.md, docs/decisions/0031-identities-pass-the-highest-id.md).

-- +goose Up

-- The jobs and hosts here whose id the master has given to another object. Nothing is sent under
-- such an id, because it would be stored as the other object's. This is no part of the quarantine,
-- which forgets what it has not seen for a week: an id stays taken until the master sends the
-- object under it that is here, or that object goes.
CREATE TABLE shard_client_taken (
    kind      text        NOT NULL CHECK (kind IN ('host', 'job')),
    object_id bigint      NOT NULL,
    reason    text        NOT NULL,
    since     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, object_id)
);

-- Moves the identity of a table past its highest id, as MariaDB does for every insert that brings
-- its id along. It runs before a statement for rows that came while triggers were off, and after
-- it for the rows of the statement itself. It never moves back. An id in the upper half of bigint
-- does not count: it would leave no ids to give. It runs with the rights of its owner, because a
-- role that may insert need not have a right on the sequence.
-- +goose StatementBegin
CREATE FUNCTION shard_client_pass_highest_id() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sequence regclass := pg_get_serial_sequence(TG_RELID::regclass::text, 'id');
    highest bigint;
BEGIN
    EXECUTE format('SELECT max(id) FROM %s WHERE id < 4611686018427387904', TG_RELID::regclass) INTO highest;
    IF highest > coalesce(pg_sequence_last_value(sequence), 0) THEN
        PERFORM setval(sequence, highest);
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY[
        'afe_shards', 'afe_labels', 'afe_shards_labels', 'afe_users', 'afe_acl_groups', 'afe_acl_groups_users',
        'afe_hosts', 'afe_acl_groups_hosts', 'afe_hosts_labels', 'afe_host_attributes', 'afe_jobs',
        'afe_jobs_dependency_labels', 'afe_job_keyvals', 'afe_host_queue_entries',
        'shard_client_quarantine', 'shard_client_heartbeats'
    ] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE INSERT ON %I FOR EACH STATEMENT
            EXECUTE FUNCTION shard_client_pass_highest_id()', target || '_id_before', target);
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %I FOR EACH STATEMENT
            EXECUTE FUNCTION shard_client_pass_highest_id()', target || '_id_after', target);
        -- Fires the triggers once, for the rows that are here already.
        EXECUTE format('INSERT INTO %I OVERRIDING SYSTEM VALUE SELECT * FROM %I WHERE false', target, target);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down

DROP FUNCTION shard_client_pass_highest_id() CASCADE;
DROP TABLE shard_client_taken;
