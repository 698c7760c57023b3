UPDATE afe_host_queue_entries SET host_id = NULL WHERE id IN ({ids})
