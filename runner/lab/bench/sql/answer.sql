-- The rows of an answer, in a master's database that holds no others.
COPY afe_hosts TO STDOUT;
COPY afe_hosts_labels TO STDOUT;
COPY afe_host_attributes TO STDOUT;
COPY afe_acl_groups TO STDOUT;
COPY afe_acl_groups_users TO STDOUT;
COPY afe_acl_groups_hosts TO STDOUT;
COPY afe_users TO STDOUT;
COPY afe_labels TO STDOUT;
COPY afe_jobs TO STDOUT;
COPY afe_jobs_dependency_labels TO STDOUT;
COPY afe_job_keyvals TO STDOUT;
COPY afe_host_queue_entries TO STDOUT;
