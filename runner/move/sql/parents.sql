SELECT DISTINCT parent_job_id FROM afe_jobs WHERE parent_job_id IS NOT NULL AND id IN ({ids})
