-- What a shard sends can be refused too (P6, docs/decisions.md, fault 3).

-- +goose Up

-- Of records that the master refused (direction out): when to try again, and a
-- digest of what was tried, so that a record that has changed is tried sooner.
ALTER TABLE shard_client_quarantine
    ADD COLUMN retry_at timestamptz,
    ADD COLUMN tried_digest bytea;
CREATE INDEX shard_client_quarantine_retry ON shard_client_quarantine (retry_at) WHERE direction = 'out';

-- The records of a refused packet while the guilty one is looked for, over beats
-- that may belong to several processes. Empty when nothing is looked for.
--   named     the master's message names it
--   guilty    a packet with it alone was refused; like one that is named it is set
--             aside if a packet with everything else passes
--   unproven  it was in a refused packet; whether an empty one passes is not known
--   suspect   it was in a refused packet, and one without it passed
--   held      left alone until the guilty one is found
--   cleared   it was in a packet that passed since
CREATE TABLE shard_client_suspects (
    kind      text   NOT NULL CHECK (kind IN ('host', 'job')),
    object_id bigint NOT NULL,
    state     text   NOT NULL CHECK (state IN ('named', 'guilty', 'unproven', 'suspect', 'held', 'cleared')),
    reason    text   NOT NULL DEFAULT '',
    PRIMARY KEY (kind, object_id)
);

-- How much the next packet may hold, as this beat left it: it halves when the
-- master cannot cope and grows again by success (docs/decisions.md, 2018). 0: the
-- whole limit. probe tells what kind of packet this beat sent.
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
