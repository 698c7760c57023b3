SELECT * FROM `{table}` WHERE `{key}` IN ({ids})
