-- The objects of an answer: hosts as the JSON that is sent, jobs as rows, of which the master makes
-- JSON in a tenth of the time. A time has exactly three digits of fraction, truncated, when its
-- fraction is not zero. Whatever belongs to an object is looked up by index, one object at a time: if
-- PostgreSQL may choose the join before it has statistics, it reads all labels for each job, or all
-- keyvals.

-- lock_reason came with 2019. The JSON of an ACL group is built once, not once for
-- each of its hosts: the group may have everybody in the lab as a member.
-- name: HostsJSON :one
WITH acl_groups AS MATERIALIZED (
    SELECT
        g.id,
        json_build_object(
            'id', g.id, 'name', g.name, 'description', g.description,
            'users', (
                SELECT coalesce(json_agg(json_build_object(
                    'id', u.id, 'login', u.login, 'access_level', u.access_level,
                    'reboot_before', u.reboot_before, 'reboot_after', u.reboot_after,
                    'show_experimental', u.show_experimental
                ) ORDER BY u.id), '[]')
                FROM afe_acl_groups_users AS gu
                JOIN afe_users AS u ON u.id = gu.user_id
                WHERE gu.aclgroup_id = g.id
            )
        ) AS object
    FROM afe_acl_groups AS g
    WHERE g.id IN (SELECT gh.aclgroup_id FROM afe_acl_groups_hosts AS gh WHERE gh.host_id = ANY (@ids::bigint[]))
)
SELECT coalesce(json_agg((
    SELECT json_object_agg(field.name, field.value)
    FROM (VALUES
        ('id', to_json(h.id)),
        ('hostname', to_json(h.hostname)),
        ('status', to_json(h.status)),
        ('locked', to_json(h.locked)),
        ('leased', to_json(h.leased)),
        ('invalid', to_json(h.invalid)),
        ('dirty', to_json(h.dirty)),
        ('protection', to_json(h.protection)),
        ('synch_id', to_json(h.synch_id)),
        ('lock_reason', to_json(h.lock_reason)),
        ('lock_time', to_json(to_char(h.lock_time, CASE
            WHEN h.lock_time = date_trunc('second', h.lock_time) THEN 'YYYY-MM-DD"T"HH24:MI:SS'
            ELSE 'YYYY-MM-DD"T"HH24:MI:SS.MS' END))),
        ('shard', (
            SELECT json_build_object('id', s.id, 'hostname', s.hostname)
            FROM afe_shards AS s
            WHERE s.id = h.shard_id
        )),
        ('labels', (
            SELECT coalesce(json_agg((
                SELECT json_build_object(
                    'id', l.id, 'name', l.name, 'kernel_config', l.kernel_config, 'platform', l.platform,
                    'invalid', l.invalid, 'only_if_needed', l.only_if_needed
                )
                FROM afe_labels AS l
                WHERE l.id = hl.label_id
            ) ORDER BY hl.label_id), '[]')
            FROM afe_hosts_labels AS hl
            WHERE hl.host_id = h.id
        )),
        ('aclgroup_set', (
            SELECT coalesce(json_agg(acl_groups.object ORDER BY acl_groups.id), '[]')
            FROM afe_acl_groups_hosts AS gh
            JOIN acl_groups ON acl_groups.id = gh.aclgroup_id
            WHERE gh.host_id = h.id
        )),
        ('hostattribute_set', (
            SELECT coalesce(json_agg(json_build_object(
                'id', a.id, 'host_id', a.host_id, 'attribute', a.attribute, 'value', a.value
            ) ORDER BY a.id), '[]')
            FROM afe_host_attributes AS a
            WHERE a.host_id = h.id
        ))
    ) AS field (name, value)
    WHERE field.name <> 'lock_reason' OR @lock_reasons::boolean
) ORDER BY h.id), '[]')::text AS hosts
FROM afe_hosts AS h
WHERE h.id = ANY (@ids::bigint[]);

-- name: JobsGiven :many
SELECT
    j.id, j.owner, j.name, j.priority, j.control_file, j.control_type, j.created_on, j.synch_count, j.timeout,
    j.timeout_mins, j.max_runtime_hrs, j.max_runtime_mins, j.run_verify, j.run_reset, j.email_list,
    j.reboot_before, j.reboot_after, j.parse_failed_repair, j.test_retry, j.require_ssp
FROM afe_jobs AS j
WHERE j.id = ANY (@ids::bigint[])
ORDER BY j.id;

-- name: DependenciesGiven :many
SELECT d.job_id, d.label_id
FROM unnest(@job_ids::bigint[]) AS j (id)
CROSS JOIN LATERAL (
    SELECT d.job_id, d.label_id
    FROM afe_jobs_dependency_labels AS d
    WHERE d.job_id = j.id
    OFFSET 0
) AS d
ORDER BY d.job_id, d.label_id;

-- name: KeyvalsGiven :many
SELECT k.id, k.job_id, k.key, k.value
FROM unnest(@job_ids::bigint[]) AS j (id)
CROSS JOIN LATERAL (
    SELECT k.id, k.job_id, k.key, k.value
    FROM afe_job_keyvals AS k
    WHERE k.job_id = j.id
    OFFSET 0
) AS k
ORDER BY k.job_id, k.id;

-- name: EntriesGiven :many
SELECT
    e.id, e.job_id, e.host_id, e.status, e.meta_host, e.active, e.complete, e.deleted, e.execution_subdir,
    e.aborted, e.started_on, e.finished_on
FROM unnest(@job_ids::bigint[]) AS j (id)
CROSS JOIN LATERAL (
    SELECT
        e.id, e.job_id, e.host_id, e.status, e.meta_host, e.active, e.complete, e.deleted, e.execution_subdir,
        e.aborted, e.started_on, e.finished_on
    FROM afe_host_queue_entries AS e
    WHERE e.job_id = j.id
    OFFSET 0
) AS e
ORDER BY e.job_id, e.id;

-- name: LabelsGiven :many
SELECT l.id, l.name, l.kernel_config, l.platform, l.invalid, l.only_if_needed
FROM afe_labels AS l
WHERE l.id = ANY (@ids::bigint[]);

-- Returns the keyvals of the parents of the jobs that are sent, each once.
-- name: SuiteKeyvalsGiven :many
SELECT k.id, k.job_id, k.key, k.value
FROM (
    SELECT DISTINCT j.parent_job_id
    FROM afe_jobs AS j
    WHERE j.id = ANY (@ids::bigint[])
) AS parents
CROSS JOIN LATERAL (
    SELECT k.id, k.job_id, k.key, k.value
    FROM afe_job_keyvals AS k
    WHERE k.job_id = parents.parent_job_id
    OFFSET 0
) AS k
ORDER BY k.id;
