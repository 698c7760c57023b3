-- Jobs and entries are copied straight into their tables where they are new, and passed as arrays where
-- they are not (docs/decisions/0049-copy-what-is-new-straight.md).

-- +goose Up

DROP TABLE shard_client_staged_entries;
DROP TABLE shard_client_staged_jobs;

-- +goose Down

CREATE UNLOGGED TABLE shard_client_staged_jobs (
    id                  bigint    NOT NULL,
    owner               text      NOT NULL,
    name                text      NOT NULL,
    priority            integer   NOT NULL,
    control_file        text,
    control_type        integer   NOT NULL,
    created_on          timestamp NOT NULL,
    synch_count         integer   NOT NULL,
    timeout             integer   NOT NULL,
    run_verify          boolean   NOT NULL,
    email_list          text      NOT NULL,
    reboot_before       integer   NOT NULL,
    reboot_after        integer   NOT NULL,
    parse_failed_repair boolean   NOT NULL,
    max_runtime_hrs     integer   NOT NULL,
    max_runtime_mins    integer   NOT NULL,
    test_retry          integer   NOT NULL,
    run_reset           boolean   NOT NULL,
    timeout_mins        integer   NOT NULL,
    require_ssp         boolean,
    shard_sent          boolean   NOT NULL,
    shard_id            bigint
);

CREATE UNLOGGED TABLE shard_client_staged_entries (
    id               bigint  NOT NULL,
    job_id           bigint  NOT NULL,
    host_id          bigint,
    status           text    NOT NULL,
    meta_host_sent   boolean NOT NULL,
    meta_host        bigint,
    deleted          boolean NOT NULL,
    execution_subdir text    NOT NULL,
    aborted          boolean,
    started_on       timestamp,
    finished_on      timestamp
);
