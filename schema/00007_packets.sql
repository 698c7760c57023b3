-- What this shard has told the master lately, and what another client has told it
-- (docs/decisions/0033-packets-that-may-still-arrive.md).

-- +goose Up

-- A packet that uploads jobs, from the moment before it leaves. digests is parallel to job_ids: what
-- the packet says about each job and its entries, in short. unsure_since is when it left, or when
-- its request was given up: until it must be dead, the master may still store it, over newer ones
-- (docs/promises.md, "late request"). NULL: no copy of it is on its way. The last few packets that
-- were answered stay, with repeats parallel to job_ids: how often the master had answered just the
-- same about the job before, so that an upload without progress is noticed.
CREATE TABLE shard_client_packets (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unsure_since timestamptz DEFAULT now(),
    answered     boolean     NOT NULL DEFAULT false,
    job_ids      bigint[]    NOT NULL,
    digests      bigint[]    NOT NULL,
    repeats      integer[]   NOT NULL DEFAULT '{}'
);

CREATE TRIGGER shard_client_packets_id_before BEFORE INSERT ON shard_client_packets
    FOR EACH STATEMENT EXECUTE FUNCTION shard_client_pass_highest_id();
CREATE TRIGGER shard_client_packets_id_after AFTER INSERT ON shard_client_packets
    FOR EACH STATEMENT EXECUTE FUNCTION shard_client_pass_highest_id();

-- heavy: the job was too much for the master by itself, which in an outage is true of any job.
ALTER TABLE shard_client_suspects
    DROP CONSTRAINT shard_client_suspects_state_check,
    ADD CONSTRAINT shard_client_suspects_state_check
        CHECK (state IN ('named', 'guilty', 'unproven', 'suspect', 'held', 'cleared', 'heavy'));

-- Another client has acknowledged the job since this one last uploaded it.
ALTER TABLE shard_client_uploads ADD COLUMN other_client boolean NOT NULL DEFAULT false;

-- Remembers a job that another client acknowledges: that client may have sent an entry which was
-- open and later completes without a NULL. With nothing in sent_complete the job is uploaded once
-- more. A job with one entry has nothing left to say. It runs with the rights of its owner, because
-- another client need not have any on the ledger.
-- +goose StatementBegin
CREATE FUNCTION shard_client_remember_acknowledged() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format(
        'INSERT INTO %1$I.shard_client_uploads AS u (job_id, other_client)
        SELECT e.job_id, true
        FROM %1$I.afe_host_queue_entries AS e
        WHERE e.job_id = $1
        GROUP BY e.job_id
        HAVING count(*) > 1 AND bool_or(e.complete)
        ON CONFLICT (job_id) DO UPDATE SET other_client = true',
        TG_TABLE_SCHEMA
    ) USING NEW.id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- No scheduler sets shard_id to anything but NULL. shard-client says so when it acknowledges.
CREATE TRIGGER shard_client_remember_acknowledged AFTER UPDATE OF shard_id ON afe_jobs
    FOR EACH ROW
    WHEN (
        OLD.shard_id IS NULL AND NEW.shard_id IS NOT NULL
        AND current_setting('shard_client.acknowledges', true) IS DISTINCT FROM 'on'
    )
    EXECUTE FUNCTION shard_client_remember_acknowledged();

-- +goose Down

DROP TRIGGER shard_client_remember_acknowledged ON afe_jobs;
DROP FUNCTION shard_client_remember_acknowledged();
ALTER TABLE shard_client_uploads DROP COLUMN other_client;
DELETE FROM shard_client_suspects WHERE state = 'heavy';
ALTER TABLE shard_client_suspects
    DROP CONSTRAINT shard_client_suspects_state_check,
    ADD CONSTRAINT shard_client_suspects_state_check
        CHECK (state IN ('named', 'guilty', 'unproven', 'suspect', 'held', 'cleared'));
DROP TABLE shard_client_packets;
