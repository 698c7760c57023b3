SELECT {columns} FROM {table} WHERE {key} = ANY ($1)
