-- The rows of an answer, of which the master makes JSON in a tenth of the time that PostgreSQL
-- takes. They run where everything is found by an index (PlansByKey). Otherwise PostgreSQL would
-- read all keyvals for a list of jobs, before it has statistics.

-- name: HostsGiven :many
SELECT
    h.id, h.hostname, h.status, h.locked, h.leased, h.invalid, h.dirty, h.protection, h.synch_id, h.lock_reason,
    h.lock_time
FROM afe_hosts AS h
WHERE h.id = ANY (@ids::bigint[])
ORDER BY h.id;

-- name: HostLabelsGiven :many
SELECT l.host_id, l.label_id
FROM afe_hosts_labels AS l
WHERE l.host_id = ANY (@host_ids::bigint[])
ORDER BY l.host_id, l.label_id;

-- name: HostGroupsGiven :many
SELECT g.host_id, g.aclgroup_id
FROM afe_acl_groups_hosts AS g
WHERE g.host_id = ANY (@host_ids::bigint[])
ORDER BY g.host_id, g.aclgroup_id;

-- name: HostAttributesGiven :many
SELECT a.id, a.host_id, a.attribute, a.value
FROM afe_host_attributes AS a
WHERE a.host_id = ANY (@host_ids::bigint[])
ORDER BY a.host_id, a.id;

-- name: GroupsGiven :many
SELECT g.id, g.name, g.description
FROM afe_acl_groups AS g
WHERE g.id = ANY (@ids::bigint[])
ORDER BY g.id;

-- name: GroupUsersGiven :many
SELECT gu.aclgroup_id, u.id, u.login, u.access_level, u.reboot_before, u.reboot_after, u.show_experimental
FROM afe_acl_groups_users AS gu
JOIN afe_users AS u ON u.id = gu.user_id
WHERE gu.aclgroup_id = ANY (@group_ids::bigint[])
ORDER BY gu.aclgroup_id, u.id;

-- name: JobsGiven :many
SELECT
    j.id, j.owner, j.name, j.priority, j.control_file, j.control_type, j.created_on, j.synch_count, j.timeout,
    j.timeout_mins, j.max_runtime_hrs, j.max_runtime_mins, j.run_verify, j.run_reset, j.email_list,
    j.reboot_before, j.reboot_after, j.parse_failed_repair, j.test_retry, j.require_ssp, j.parent_job_id
FROM afe_jobs AS j
WHERE j.id = ANY (@ids::bigint[])
ORDER BY j.id;

-- name: DependenciesGiven :many
SELECT d.job_id, d.label_id
FROM afe_jobs_dependency_labels AS d
WHERE d.job_id = ANY (@job_ids::bigint[])
ORDER BY d.job_id, d.label_id;

-- name: KeyvalsGiven :many
SELECT k.id, k.job_id, k.key, k.value
FROM afe_job_keyvals AS k
WHERE k.job_id = ANY (@job_ids::bigint[])
ORDER BY k.job_id, k.id;

-- name: EntriesGiven :many
SELECT
    e.id, e.job_id, e.host_id, e.status, e.meta_host, e.active, e.complete, e.deleted, e.execution_subdir,
    e.aborted, e.started_on, e.finished_on
FROM afe_host_queue_entries AS e
WHERE e.job_id = ANY (@job_ids::bigint[])
ORDER BY e.job_id, e.id;

-- name: LabelsGiven :many
SELECT l.id, l.name, l.kernel_config, l.platform, l.invalid, l.only_if_needed
FROM afe_labels AS l
WHERE l.id = ANY (@ids::bigint[]);

-- Returns the keyvals of the parents of the jobs that are sent.
-- name: SuiteKeyvalsGiven :many
SELECT k.id, k.job_id, k.key, k.value
FROM afe_job_keyvals AS k
WHERE k.job_id = ANY (@parent_ids::bigint[])
ORDER BY k.id;
