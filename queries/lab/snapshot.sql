-- Returns the contents of a shard's database in the shape of client-db.json in the
-- recordings. Like there, a time has microseconds only when they are not zero.
-- name: Snapshot :one
SELECT json_build_object(
    'shards', (
        SELECT coalesce(json_agg(json_build_object('id', s.id, 'hostname', s.hostname) ORDER BY s.id), '[]')
        FROM afe_shards AS s
    ),
    'hosts', (
        SELECT coalesce(json_agg(json_build_object(
            'id', h.id, 'hostname', h.hostname, 'status', h.status, 'locked', h.locked, 'leased', h.leased,
            'invalid', h.invalid, 'shard_id', h.shard_id, 'locked_by_id', h.locked_by_id,
            'lock_time', to_char(h.lock_time, CASE
                WHEN extract(microseconds FROM h.lock_time)::bigint % 1000000 = 0 THEN 'YYYY-MM-DD"T"HH24:MI:SS'
                ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US' END),
            'labels', (
                SELECT coalesce(json_agg(l.name ORDER BY l.name COLLATE "C"), '[]')
                FROM afe_hosts_labels AS hl JOIN afe_labels AS l ON l.id = hl.label_id
                WHERE hl.host_id = h.id
            ),
            'acls', (
                SELECT coalesce(json_agg(g.name ORDER BY g.name COLLATE "C"), '[]')
                FROM afe_acl_groups_hosts AS gh JOIN afe_acl_groups AS g ON g.id = gh.aclgroup_id
                WHERE gh.host_id = h.id
            ),
            'attributes', (
                SELECT coalesce(json_object_agg(a.attribute, a.value ORDER BY a.attribute), '{}')
                FROM afe_host_attributes AS a
                WHERE a.host_id = h.id
            )
        ) ORDER BY h.id), '[]')
        FROM afe_hosts AS h
    ),
    'jobs', (
        SELECT coalesce(json_agg(json_build_object(
            'id', j.id, 'owner', j.owner, 'name', j.name, 'shard_id', j.shard_id, 'parent_job_id', j.parent_job_id,
            'created_on', to_char(j.created_on, CASE
                WHEN extract(microseconds FROM j.created_on)::bigint % 1000000 = 0 THEN 'YYYY-MM-DD"T"HH24:MI:SS'
                ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US' END)
        ) ORDER BY j.id), '[]')
        FROM afe_jobs AS j
    ),
    'hqes', (
        SELECT coalesce(json_agg(json_build_object(
            'id', e.id, 'job_id', e.job_id, 'host_id', e.host_id, 'meta_host_id', e.meta_host, 'status', e.status,
            'active', e.active, 'complete', e.complete, 'deleted', e.deleted, 'aborted', e.aborted,
            'execution_subdir', e.execution_subdir,
            'started_on', to_char(e.started_on, CASE
                WHEN extract(microseconds FROM e.started_on)::bigint % 1000000 = 0 THEN 'YYYY-MM-DD"T"HH24:MI:SS'
                ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US' END),
            'finished_on', to_char(e.finished_on, CASE
                WHEN extract(microseconds FROM e.finished_on)::bigint % 1000000 = 0 THEN 'YYYY-MM-DD"T"HH24:MI:SS'
                ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US' END)
        ) ORDER BY e.id), '[]')
        FROM afe_host_queue_entries AS e
    ),
    'job_keyvals', (
        SELECT coalesce(
            json_agg(json_build_array(k.job_id, k.key, k.value) ORDER BY k.job_id, k.key COLLATE "C", k.value COLLATE "C"),
            '[]'
        )
        FROM afe_job_keyvals AS k
    )
)::text AS snapshot;
