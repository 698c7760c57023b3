-- The tables of an Autotest AFE on MySQL as its migrations leave them (version 129): columns, types,
-- NULLs, defaults, keys and character sets, as far as a shard has rows in them. Foreign keys to
-- tables that no shard fills are left out.

CREATE TABLE afe_shards (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    hostname varchar(255) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_labels (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(750) DEFAULT NULL,
    kernel_config varchar(255) DEFAULT NULL,
    platform tinyint(1) DEFAULT 0,
    invalid tinyint(1) NOT NULL,
    only_if_needed tinyint(1) NOT NULL,
    atomic_group_id int(11) DEFAULT NULL,
    UNIQUE KEY name (name)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_shards_labels (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    shard_id int(11) NOT NULL,
    label_id int(11) NOT NULL,
    UNIQUE KEY shard_label_id_uc (label_id),
    FOREIGN KEY (label_id) REFERENCES afe_labels (id),
    FOREIGN KEY (shard_id) REFERENCES afe_shards (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_users (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    login varchar(255) DEFAULT NULL,
    access_level int(11) DEFAULT 0,
    reboot_before smallint(6) NOT NULL,
    reboot_after smallint(6) NOT NULL,
    show_experimental tinyint(1) NOT NULL DEFAULT 0,
    drone_set_id int(11) DEFAULT NULL,
    UNIQUE KEY login_unique (login)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_acl_groups (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(255) DEFAULT NULL,
    description varchar(255) DEFAULT NULL
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_acl_groups_users (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    aclgroup_id int(11) DEFAULT NULL,
    user_id int(11) DEFAULT NULL,
    UNIQUE KEY acl_groups_users_both_ids (aclgroup_id, user_id),
    FOREIGN KEY (aclgroup_id) REFERENCES afe_acl_groups (id),
    FOREIGN KEY (user_id) REFERENCES afe_users (id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_hosts (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    hostname varchar(255) DEFAULT NULL,
    locked tinyint(1) DEFAULT 0,
    synch_id int(11) DEFAULT NULL,
    status varchar(255) DEFAULT NULL,
    invalid tinyint(1) DEFAULT 0,
    protection int(11) NOT NULL,
    locked_by_id int(11) DEFAULT NULL,
    lock_time datetime DEFAULT NULL,
    dirty tinyint(1) NOT NULL,
    leased tinyint(1) NOT NULL DEFAULT 1,
    shard_id int(11) DEFAULT NULL,
    lock_reason text,
    FOREIGN KEY (locked_by_id) REFERENCES afe_users (id),
    FOREIGN KEY (shard_id) REFERENCES afe_shards (id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_acl_groups_hosts (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    aclgroup_id int(11) DEFAULT NULL,
    host_id int(11) DEFAULT NULL,
    UNIQUE KEY acl_groups_hosts_both_ids (aclgroup_id, host_id),
    FOREIGN KEY (aclgroup_id) REFERENCES afe_acl_groups (id),
    FOREIGN KEY (host_id) REFERENCES afe_hosts (id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_hosts_labels (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host_id int(11) DEFAULT NULL,
    label_id int(11) DEFAULT NULL,
    UNIQUE KEY hosts_labels_both_ids (label_id, host_id),
    FOREIGN KEY (host_id) REFERENCES afe_hosts (id),
    FOREIGN KEY (label_id) REFERENCES afe_labels (id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_host_attributes (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host_id int(11) NOT NULL,
    attribute varchar(90) NOT NULL,
    value varchar(300) NOT NULL,
    FOREIGN KEY (host_id) REFERENCES afe_hosts (id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_jobs (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    owner varchar(255) DEFAULT NULL,
    name varchar(255) DEFAULT NULL,
    priority int(11) DEFAULT NULL,
    control_file text,
    control_type int(11) DEFAULT NULL,
    created_on datetime DEFAULT NULL,
    synch_count int(11) NOT NULL,
    timeout int(11) NOT NULL,
    run_verify tinyint(1) DEFAULT 1,
    email_list varchar(250) NOT NULL,
    reboot_before smallint(6) NOT NULL,
    reboot_after smallint(6) NOT NULL,
    parse_failed_repair tinyint(1) NOT NULL DEFAULT 1,
    max_runtime_hrs int(11) NOT NULL,
    drone_set_id int(11) DEFAULT NULL,
    parameterized_job_id int(11) DEFAULT NULL,
    max_runtime_mins int(11) NOT NULL,
    parent_job_id int(11) DEFAULT NULL,
    test_retry int(11) NOT NULL DEFAULT 0,
    run_reset smallint(6) NOT NULL DEFAULT 1,
    timeout_mins int(11) NOT NULL,
    shard_id int(11) DEFAULT NULL,
    require_ssp tinyint(1) DEFAULT NULL,
    FOREIGN KEY (shard_id) REFERENCES afe_shards (id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_jobs_dependency_labels (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    job_id int(11) NOT NULL,
    label_id int(11) NOT NULL,
    UNIQUE KEY job_id (job_id, label_id),
    FOREIGN KEY (job_id) REFERENCES afe_jobs (id),
    FOREIGN KEY (label_id) REFERENCES afe_labels (id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_job_keyvals (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    job_id int(11) NOT NULL,
    `key` varchar(90) NOT NULL,
    value varchar(300) NOT NULL,
    KEY afe_job_keyvals_job_id (job_id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_host_queue_entries (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    job_id int(11) DEFAULT NULL,
    host_id int(11) DEFAULT NULL,
    status varchar(255) DEFAULT NULL,
    meta_host int(11) DEFAULT NULL,
    active tinyint(1) DEFAULT 0,
    complete tinyint(1) DEFAULT 0,
    deleted tinyint(1) NOT NULL,
    execution_subdir varchar(255) NOT NULL,
    atomic_group_id int(11) DEFAULT NULL,
    aborted tinyint(1) NOT NULL DEFAULT 0,
    started_on datetime DEFAULT NULL,
    finished_on datetime DEFAULT NULL,
    UNIQUE KEY host_queue_entries_job_id_and_host_id (job_id, host_id),
    FOREIGN KEY (host_id) REFERENCES afe_hosts (id),
    FOREIGN KEY (job_id) REFERENCES afe_jobs (id),
    FOREIGN KEY (meta_host) REFERENCES afe_labels (id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_aborted_host_queue_entries (
    queue_entry_id int(11) NOT NULL PRIMARY KEY,
    aborted_by_id int(11) NOT NULL,
    aborted_on datetime NOT NULL,
    FOREIGN KEY (aborted_by_id) REFERENCES afe_users (id),
    FOREIGN KEY (queue_entry_id) REFERENCES afe_host_queue_entries (id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_special_tasks (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host_id int(11) NOT NULL,
    task varchar(64) NOT NULL,
    time_requested datetime NOT NULL,
    is_active tinyint(1) NOT NULL DEFAULT 0,
    is_complete tinyint(1) NOT NULL DEFAULT 0,
    time_started datetime DEFAULT NULL,
    queue_entry_id int(11) DEFAULT NULL,
    success tinyint(1) NOT NULL DEFAULT 0,
    requested_by_id int(11) NOT NULL,
    is_aborted tinyint(1) NOT NULL DEFAULT 0,
    time_finished datetime DEFAULT NULL,
    FOREIGN KEY (requested_by_id) REFERENCES afe_users (id),
    FOREIGN KEY (host_id) REFERENCES afe_hosts (id),
    FOREIGN KEY (queue_entry_id) REFERENCES afe_host_queue_entries (id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_ineligible_host_queues (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    job_id int(11) DEFAULT NULL,
    host_id int(11) DEFAULT NULL,
    UNIQUE KEY ineligible_host_queues_both_ids (host_id, job_id),
    FOREIGN KEY (host_id) REFERENCES afe_hosts (id),
    FOREIGN KEY (job_id) REFERENCES afe_jobs (id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_drones (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    hostname varchar(255) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=latin1;
