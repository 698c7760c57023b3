SELECT `{key}`, `{name}` FROM `{table}` WHERE `{name}` IS NOT NULL AND `{key}` IN ({ids})
