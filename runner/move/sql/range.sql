SELECT * FROM `{table}` WHERE `{key}` BETWEEN {from} AND {to}
