-- What a reference master looks up at each heartbeat: open jobs by the labels of
-- a shard. Measured in docs/decisions.md, 20.

-- +goose Up

-- A label's jobs from the oldest open one on. The finished ones before it,
-- however many, are not read. As a prefix it serves look-ups by label too.
CREATE INDEX afe_jobs_dependency_labels_label_job ON afe_jobs_dependency_labels (label_id, job_id);
DROP INDEX afe_jobs_dependency_labels_label_id;

-- With the columns that are asked for, PostgreSQL reads this index alone; without
-- them it prefers to read every shard's open entries. A change of aborted is rare,
-- so updates of entries stay as cheap as they are.
CREATE INDEX afe_host_queue_entries_open_meta_host ON afe_host_queue_entries (meta_host)
    INCLUDE (job_id, aborted) WHERE NOT complete;

-- +goose Down

DROP INDEX afe_host_queue_entries_open_meta_host;
CREATE INDEX afe_jobs_dependency_labels_label_id ON afe_jobs_dependency_labels (label_id);
DROP INDEX afe_jobs_dependency_labels_label_job;
