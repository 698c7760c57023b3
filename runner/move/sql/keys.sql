SELECT `{key}` FROM `{table}` WHERE `{key}` IN ({ids})
