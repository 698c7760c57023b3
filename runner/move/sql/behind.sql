SELECT coalesce(max(t.{identity}), 0) > coalesce(pg_catalog.pg_sequence_last_value(pg_catalog.pg_get_serial_sequence($1, $2)), 0)
FROM {table} AS t
