DELETE FROM `{table}` WHERE `{key}` IN ({ids})
