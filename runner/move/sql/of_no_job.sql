SELECT * FROM `{table}` WHERE job_id IS NULL
