-- The other tables of an Autotest AFE on MySQL that PostgreSQL has with the scheduler's: those of
-- drones, static labels, tests, parameterized jobs, Django and results, as version 129 has them.

CREATE TABLE afe_atomic_groups (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(255) NOT NULL,
    description longtext,
    max_number_of_machines int(11) NOT NULL,
    invalid tinyint(1) NOT NULL,
    UNIQUE KEY name (name)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_job_handoffs (
    job_id int(11) NOT NULL PRIMARY KEY,
    created datetime NOT NULL,
    completed tinyint(1) NOT NULL,
    drone varchar(128) DEFAULT NULL,
    FOREIGN KEY (job_id) REFERENCES afe_jobs (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_static_labels (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(750) DEFAULT NULL,
    kernel_config varchar(255) DEFAULT NULL,
    platform tinyint(1) DEFAULT 0,
    invalid tinyint(1) NOT NULL,
    only_if_needed tinyint(1) NOT NULL,
    atomic_group_id int(11) DEFAULT NULL,
    UNIQUE KEY name (name(50)),
    FOREIGN KEY (atomic_group_id) REFERENCES afe_atomic_groups (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_static_hosts_labels (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host_id int(11) DEFAULT NULL,
    staticlabel_id int(11) DEFAULT NULL,
    UNIQUE KEY hosts_labels_both_ids (staticlabel_id, host_id),
    FOREIGN KEY (host_id) REFERENCES afe_hosts (id),
    FOREIGN KEY (staticlabel_id) REFERENCES afe_static_labels (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_static_host_attributes (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host_id int(11) NOT NULL,
    attribute varchar(90) NOT NULL,
    value varchar(300) NOT NULL,
    FOREIGN KEY (host_id) REFERENCES afe_hosts (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_replaced_labels (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    label_id int(11) DEFAULT NULL,
    UNIQUE KEY label_id (label_id),
    FOREIGN KEY (label_id) REFERENCES afe_labels (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_drone_sets (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(255) NOT NULL,
    UNIQUE KEY afe_drone_sets_unique (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_drone_sets_drones (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    droneset_id int(11) NOT NULL,
    drone_id int(11) NOT NULL,
    UNIQUE KEY afe_drone_sets_drones_unique (drone_id),
    FOREIGN KEY (drone_id) REFERENCES afe_drones (id),
    FOREIGN KEY (droneset_id) REFERENCES afe_drone_sets (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_autotests (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(255) DEFAULT NULL,
    test_class varchar(255) DEFAULT NULL,
    description text,
    test_type int(11) DEFAULT NULL,
    path varchar(255) DEFAULT NULL,
    author varchar(256) DEFAULT NULL,
    dependencies varchar(256) DEFAULT NULL,
    experimental smallint(6) DEFAULT 0,
    run_verify smallint(6) DEFAULT 1,
    test_time smallint(6) DEFAULT 1,
    test_category varchar(256) DEFAULT NULL,
    sync_count int(11) DEFAULT 1,
    test_retry int(11) NOT NULL DEFAULT 0,
    run_reset smallint(6) NOT NULL DEFAULT 1
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_autotests_dependency_labels (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    test_id int(11) NOT NULL,
    label_id int(11) NOT NULL,
    UNIQUE KEY test_id (test_id, label_id),
    FOREIGN KEY (label_id) REFERENCES afe_labels (id),
    FOREIGN KEY (test_id) REFERENCES afe_autotests (id)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_test_parameters (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    test_id int(11) NOT NULL,
    name varchar(255) NOT NULL,
    UNIQUE KEY afe_test_parameters_unique (test_id, name),
    FOREIGN KEY (test_id) REFERENCES afe_autotests (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_profilers (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(255) NOT NULL,
    description longtext NOT NULL,
    UNIQUE KEY name (name)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE afe_parameterized_jobs (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    test_id int(11) NOT NULL,
    label_id int(11) DEFAULT NULL,
    use_container tinyint(1) DEFAULT 0,
    profile_only tinyint(1) DEFAULT 0,
    upload_kernel_config tinyint(1) DEFAULT 0,
    FOREIGN KEY (label_id) REFERENCES afe_labels (id),
    FOREIGN KEY (test_id) REFERENCES afe_autotests (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_parameterized_job_parameters (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    parameterized_job_id int(11) NOT NULL,
    test_parameter_id int(11) NOT NULL,
    parameter_value text NOT NULL,
    parameter_type enum('int', 'float', 'string') DEFAULT NULL,
    UNIQUE KEY afe_parameterized_job_parameters_unique (parameterized_job_id, test_parameter_id),
    FOREIGN KEY (test_parameter_id) REFERENCES afe_test_parameters (id),
    FOREIGN KEY (parameterized_job_id) REFERENCES afe_parameterized_jobs (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_parameterized_jobs_profilers (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    parameterized_job_id int(11) NOT NULL,
    profiler_id int(11) NOT NULL,
    UNIQUE KEY afe_parameterized_jobs_profilers_unique (parameterized_job_id, profiler_id),
    FOREIGN KEY (profiler_id) REFERENCES afe_profilers (id),
    FOREIGN KEY (parameterized_job_id) REFERENCES afe_parameterized_jobs (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_parameterized_job_profiler_parameters (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    parameterized_job_profiler_id int(11) NOT NULL,
    parameter_name varchar(255) NOT NULL,
    parameter_value text NOT NULL,
    parameter_type enum('int', 'float', 'string') DEFAULT NULL,
    UNIQUE KEY afe_parameterized_job_profiler_parameters_unique (parameterized_job_profiler_id, parameter_name),
    FOREIGN KEY (parameterized_job_profiler_id) REFERENCES afe_parameterized_jobs_profilers (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE afe_stable_versions (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    board varchar(255) NOT NULL,
    version varchar(255) NOT NULL,
    archive_url text,
    UNIQUE KEY board_UNIQUE (board)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE auth_group (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(80) NOT NULL,
    UNIQUE KEY name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE django_content_type (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(100) NOT NULL,
    app_label varchar(100) NOT NULL,
    model varchar(100) NOT NULL,
    UNIQUE KEY app_label (app_label, model)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE auth_permission (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(50) NOT NULL,
    content_type_id int(11) NOT NULL,
    codename varchar(100) NOT NULL,
    UNIQUE KEY content_type_id (content_type_id, codename),
    FOREIGN KEY (content_type_id) REFERENCES django_content_type (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE auth_group_permissions (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    group_id int(11) NOT NULL,
    permission_id int(11) NOT NULL,
    UNIQUE KEY group_id (group_id, permission_id),
    FOREIGN KEY (group_id) REFERENCES auth_group (id),
    FOREIGN KEY (permission_id) REFERENCES auth_permission (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE auth_user (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    password varchar(128) NOT NULL,
    last_login datetime NOT NULL,
    is_superuser tinyint(1) NOT NULL,
    username varchar(30) NOT NULL,
    first_name varchar(30) NOT NULL,
    last_name varchar(30) NOT NULL,
    email varchar(75) NOT NULL,
    is_staff tinyint(1) NOT NULL,
    is_active tinyint(1) NOT NULL,
    date_joined datetime NOT NULL,
    UNIQUE KEY username (username)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE auth_user_groups (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    user_id int(11) NOT NULL,
    group_id int(11) NOT NULL,
    UNIQUE KEY user_id (user_id, group_id),
    FOREIGN KEY (user_id) REFERENCES auth_user (id),
    FOREIGN KEY (group_id) REFERENCES auth_group (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE auth_user_user_permissions (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    user_id int(11) NOT NULL,
    permission_id int(11) NOT NULL,
    UNIQUE KEY user_id (user_id, permission_id),
    FOREIGN KEY (user_id) REFERENCES auth_user (id),
    FOREIGN KEY (permission_id) REFERENCES auth_permission (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE django_session (
    session_key varchar(40) NOT NULL PRIMARY KEY,
    session_data longtext NOT NULL,
    expire_date datetime NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE tko_jobs (
    job_idx int(10) unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    tag varchar(100) DEFAULT NULL,
    label varchar(100) DEFAULT NULL,
    username varchar(80) DEFAULT NULL,
    machine_idx int(10) unsigned NOT NULL,
    queued_time datetime DEFAULT NULL,
    started_time datetime DEFAULT NULL,
    finished_time datetime DEFAULT NULL,
    afe_job_id int(11) DEFAULT NULL,
    afe_parent_job_id int(11) DEFAULT NULL,
    build varchar(255) DEFAULT NULL,
    build_version varchar(255) DEFAULT NULL,
    suite varchar(40) DEFAULT NULL,
    board varchar(40) DEFAULT NULL,
    UNIQUE KEY tag (tag)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE tko_status (
    status_idx int(10) unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    word varchar(10) DEFAULT NULL
) ENGINE=InnoDB DEFAULT CHARSET=latin1;

CREATE TABLE tko_tests (
    test_idx int(10) unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    job_idx int(10) unsigned NOT NULL,
    test varchar(300) DEFAULT NULL,
    subdir varchar(300) DEFAULT NULL,
    kernel_idx int(10) unsigned NOT NULL,
    status int(10) unsigned NOT NULL,
    reason varchar(4096) DEFAULT NULL,
    machine_idx int(10) unsigned NOT NULL,
    invalid tinyint(1) DEFAULT 0,
    finished_time datetime DEFAULT NULL,
    started_time datetime DEFAULT NULL,
    invalidates_test_idx int(10) unsigned DEFAULT NULL,
    FOREIGN KEY (job_idx) REFERENCES tko_jobs (job_idx) ON DELETE CASCADE,
    FOREIGN KEY (status) REFERENCES tko_status (status_idx)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;
