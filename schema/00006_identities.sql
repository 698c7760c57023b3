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

-- An entry that ran on a host whose id is taken goes without it: the master keeps the host that it
-- has for the entry. The digest is of the record as it is here.
CREATE OR REPLACE VIEW shard_client_upload_entries AS
SELECT
    e.id, e.job_id, e.complete,
    shard_client_wire_record(s.record) AS record,
    sha256(convert_to(e.job_id || w.record, 'UTF8')) AS digest
FROM afe_host_queue_entries AS e
CROSS JOIN LATERAL (
    SELECT
        e.id::bigint AS id,
        e.status::text AS status,
        e.active::boolean AS active,
        e.complete::boolean AS complete,
        e.deleted::boolean AS deleted,
        e.aborted::boolean AS aborted,
        e.execution_subdir::text AS execution_subdir,
        shard_client_wire_time(e.started_on) AS started_on,
        shard_client_wire_time(e.finished_on) AS finished_on,
        e.host_id::bigint AS host_id
) AS r
CROSS JOIN LATERAL (SELECT row_to_json(r)::text AS record OFFSET 0) AS w
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN e.host_id IN (SELECT t.object_id FROM shard_client_taken AS t WHERE t.kind = 'host')
            THEN (w.record::jsonb - 'host_id')::text
        ELSE w.record
    END AS record
    OFFSET 0
) AS s;

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
CREATE OR REPLACE VIEW shard_client_upload_entries AS
SELECT
    e.id, e.job_id, e.complete,
    shard_client_wire_record(w.record) AS record,
    sha256(convert_to(e.job_id || w.record, 'UTF8')) AS digest
FROM afe_host_queue_entries AS e
CROSS JOIN LATERAL (
    SELECT
        e.id::bigint AS id,
        e.status::text AS status,
        e.active::boolean AS active,
        e.complete::boolean AS complete,
        e.deleted::boolean AS deleted,
        e.aborted::boolean AS aborted,
        e.execution_subdir::text AS execution_subdir,
        shard_client_wire_time(e.started_on) AS started_on,
        shard_client_wire_time(e.finished_on) AS finished_on,
        e.host_id::bigint AS host_id
) AS r
CROSS JOIN LATERAL (SELECT row_to_json(r)::text AS record OFFSET 0) AS w;
DROP TABLE shard_client_taken;
