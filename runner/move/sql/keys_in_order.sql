SELECT `{key}` FROM `{table}` ORDER BY `{key}`
