SELECT id, host_id FROM afe_host_queue_entries WHERE host_id IS NOT NULL AND id IN ({ids})
