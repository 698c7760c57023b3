-- What a reference master looks up at each heartbeat: open jobs by the labels of a shard. Measured
-- in docs/decisions/0021-a-heartbeat-costs-what-is-open.md.

-- +goose Up

-- Finds a label's jobs within a range of ids from the index alone. However many jobs are finished,
-- those outside the ranges with open jobs are not read. It also serves look-ups by label, as the
-- index did that it replaces.
CREATE INDEX afe_jobs_dependency_labels_label_job ON afe_jobs_dependency_labels (label_id, job_id);
DROP INDEX afe_jobs_dependency_labels_label_id;

-- Because it includes the columns that are asked for, PostgreSQL reads this index alone; without
-- them it prefers to read every shard's open entries. aborted rarely changes, so updates of entries
-- stay as cheap as they are.
CREATE INDEX afe_host_queue_entries_open_meta_host ON afe_host_queue_entries (meta_host)
    INCLUDE (job_id, aborted) WHERE NOT complete;

-- +goose Down

DROP INDEX afe_host_queue_entries_open_meta_host;
CREATE INDEX afe_jobs_dependency_labels_label_id ON afe_jobs_dependency_labels (label_id);
DROP INDEX afe_jobs_dependency_labels_label_job;
