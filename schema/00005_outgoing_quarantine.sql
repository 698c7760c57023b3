-- The master can refuse what a shard sends, too (P6, docs/promises.md, "one record blocks all").

-- +goose Up

-- For records that the master refused (direction out): when to try again, and a digest of what was
-- tried, so that a record that has changed is tried sooner.
ALTER TABLE shard_client_quarantine
    ADD COLUMN retry_at timestamptz,
    ADD COLUMN tried_digest bytea;
CREATE INDEX shard_client_quarantine_retry ON shard_client_quarantine (retry_at) WHERE direction = 'out';

-- The records of a refused packet during the search for the guilty one, which takes several beats,
-- each perhaps of another process. Empty when there is no search. The states:
--   named     the master's message names it
--   guilty    a packet with it alone was refused; like a named record, it is set aside if a packet
--             with everything else passes
--   unproven  it was in a refused packet; whether an empty packet passes is not known
--   suspect   it was in a refused packet, and a packet without it passed
--   held      not looked at until the guilty record is found
--   cleared   it was in a packet that has passed since
CREATE TABLE shard_client_suspects (
    kind      text   NOT NULL CHECK (kind IN ('host', 'job')),
    object_id bigint NOT NULL,
    state     text   NOT NULL CHECK (state IN ('named', 'guilty', 'unproven', 'suspect', 'held', 'cleared')),
    reason    text   NOT NULL DEFAULT '',
    PRIMARY KEY (kind, object_id)
);

-- batch_jobs and batch_bytes: how much the next packet may hold after this beat. The batch halves
-- when the master cannot cope and grows again with success (docs/promises.md, "growing uploads").
-- 0: the whole limit. probe: the mode of the packet that this beat sent; see ProbePlan in
-- queries/shard/probe.sql.
ALTER TABLE shard_client_heartbeats
    ADD COLUMN batch_jobs bigint NOT NULL DEFAULT 0,
    ADD COLUMN batch_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN probe text NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE shard_client_heartbeats
    DROP COLUMN probe,
    DROP COLUMN batch_bytes,
    DROP COLUMN batch_jobs;
DROP TABLE shard_client_suspects;
DROP INDEX shard_client_quarantine_retry;
ALTER TABLE shard_client_quarantine
    DROP COLUMN tried_digest,
    DROP COLUMN retry_at;
