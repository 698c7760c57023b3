SELECT coalesce(max(t.id), 0) > coalesce(pg_catalog.pg_sequence_last_value(pg_catalog.pg_get_serial_sequence($1, 'id')), 0)
FROM {table} AS t
