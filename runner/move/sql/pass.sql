SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence($1, $2), greatest(max(t.{identity}), 1), max(t.{identity}) IS NOT NULL)
FROM {table} AS t
