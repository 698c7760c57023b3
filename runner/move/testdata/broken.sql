-- Rows that MySQL takes and PostgreSQL's tables do not. The comment behind a row is what happens to
-- it.
SET foreign_key_checks = 0, sql_mode = '', time_zone = '+00:00';

INSERT INTO afe_shards VALUES (1, 'other.example'), (7, 'shard7.example');
INSERT INTO afe_labels VALUES
    (1, 'board:b7', NULL, NULL, 0, 0, NULL), -- NULLs to defaults
    (2, 'pool:caf\u00e9', '', 2, 0, 0, NULL); -- tinyint(1) 2 is true
UPDATE afe_labels SET name = CONCAT('pool:caf', CHAR(0xE9 USING latin1)) WHERE id = 2;
INSERT INTO afe_users VALUES (1, 'debug_user', 100, 0, 1, 0, NULL), (2, 'alice', NULL, 0, 1, 0, NULL);
-- Groups of one name, by case and by a blank at the end, and truly: the last is renamed.
INSERT INTO afe_acl_groups VALUES (1, 'Everyone', ''), (2, 'everyone', NULL), (3, 'everyone ', ''), (4, 'Everyone', '');
INSERT INTO afe_acl_groups_users VALUES (1, 1, 1), (2, 1, 99); -- no such user: left out
INSERT INTO afe_hosts (id, hostname, locked, status, invalid, protection, locked_by_id, lock_time, dirty, leased, shard_id, lock_reason) VALUES
    (10, 'host-a', 0, 'Ready', 1, 0, NULL, NULL, 1, 0, 7, NULL), -- not in use any more: gives the name up
    (11, 'host-a', 1, 'Repair Failed', 0, 0, 2, '2019-03-10 02:30:00', 1, 1, 7, CONCAT('d', CHAR(0xFC USING latin1), 'nn')),
    (12, 'host-a', NULL, NULL, NULL, 0, 98, '0000-00-00 00:00:00', 2, 0, 42, ''), -- third of a name, absent user, absent shard
    (13, 'host-d', 0, 'Ready', 0, 0, NULL, '2019-00-10 00:00:00', 1, 0, NULL, '');
INSERT INTO afe_acl_groups_hosts VALUES (1, 1, 11), (2, NULL, 11); -- names nothing: left out
INSERT INTO afe_hosts_labels VALUES (1, 11, 1), (2, 77, 1); -- no such host: left out
INSERT INTO afe_host_attributes VALUES (1, 11, 'rack', '7');
INSERT INTO afe_jobs (id, owner, name, priority, control_file, control_type, created_on, synch_count, timeout, run_verify,
    email_list, reboot_before, reboot_after, max_runtime_hrs, max_runtime_mins, parent_job_id, run_reset, timeout_mins, shard_id) VALUES
    (100, 'alice', 'open', 40, 'x', 2, '2019-03-10 02:30:00', 1, 24, NULL, '', 0, 0, 72, 4320, 90, 1, 1440, 7), -- its parent is not here
    (101, 'alice', 'half', 40, 'x', 2, '2019-03-10 02:30:00', 2, 24, 0, '', 0, 0, 72, 4320, 105, 2, 1440, 7),
    (102, 'alice', 'unsent', 40, NULL, 2, '2019-03-31 02:30:00', 1, 24, 0, '', 0, 0, 72, 4320, NULL, 1, 1440, NULL),
    (103, 'alice', 'done', 40, NULL, 2, '2019-03-10 02:30:00', 1, 24, 0, '', 0, 0, 72, 4320, NULL, 1, 1440, 7), -- stays
    (104, NULL, NULL, NULL, NULL, NULL, '0000-00-00 00:00:00', 1, 24, 0, '', 0, 0, 72, 4320, 104, 1, 1440, 55), -- aborted, absent shard
    (105, 'alice', 'parent', 40, NULL, 1, '2019-03-10 02:30:00', 1, 24, 0, '', 0, 0, 72, 4320, NULL, 1, 1440, 7), -- finished, but a parent
    (106, 'alice', 'done, two entries', 40, NULL, 1, '2019-03-10 02:30:00', 1, 24, 0, '', 0, 0, 72, 4320, NULL, 1, 1440, 7);
INSERT INTO afe_jobs_dependency_labels VALUES (1, 100, 1), (2, 103, 1), (3, 101, 66); -- stays; no such label
INSERT INTO afe_job_keyvals VALUES (1, 100, 'build', 'R75'), (2, 90, 'suite', 'bvt'), (3, 103, 'stays', ''), (4, 105, 'suite', 'cts');
INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, meta_host, active, complete, deleted, execution_subdir, aborted, started_on, finished_on) VALUES
    (1000, 100, NULL, 'Queued', 1, 0, 0, 0, '', 0, NULL, NULL),
    (1001, 101, 11, 'Completed', 1, 0, 1, 0, 'host-a', 0, '2019-03-10 01:59:59', '2019-03-10 02:30:00'),
    (1002, 101, 13, 'Running', 1, 1, 0, 0, 'host-d', 0, '2019-03-10 01:59:59', '0000-00-00 00:00:00'),
    (1003, 102, 11, 'Completed', 1, 0, 2, 0, '', 0, NULL, NULL), -- tinyint(1) 2 is complete
    (1004, 103, 11, 'Completed', 1, 0, 1, 0, '', 0, NULL, NULL), -- stays
    (1005, 104, 88, NULL, 1, NULL, NULL, 0, '', 1, NULL, NULL), -- no such host
    (1006, 105, NULL, 'Completed', NULL, 0, 1, 0, '', 0, NULL, NULL),
    (1007, 106, 11, 'Completed', 1, 0, 1, 0, '', 0, NULL, NULL),
    (1008, 106, 13, 'Completed', 1, 0, 1, 0, '', 0, NULL, NULL),
    (1009, 999, 13, 'Queued', 1, 0, 0, 0, '', 0, NULL, NULL); -- no such job: left out
INSERT INTO afe_aborted_host_queue_entries VALUES (1005, 2, '2019-03-10 02:30:00'), (1004, 2, '2019-03-10 02:30:00'),
    (5555, 2, '2019-03-10 02:30:00'); -- no such entry: left out
INSERT INTO afe_special_tasks (id, host_id, task, time_requested, is_complete, queue_entry_id, requested_by_id) VALUES
    (1, 11, 'Repair', '2019-03-10 02:30:00', 0, 1004, 1), (2, 11, 'Repair', '2019-03-10 02:30:00', 1, NULL, 1);
INSERT INTO afe_ineligible_host_queues VALUES (1, 100, 11), (2, 103, 11);
