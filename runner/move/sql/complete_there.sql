SELECT id FROM afe_host_queue_entries WHERE complete <> 0 AND id IN ({ids}) ORDER BY id
