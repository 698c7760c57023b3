UPDATE `{table}` SET {columns} WHERE `{key}` = ?
