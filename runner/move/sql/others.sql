SELECT CONCAT(user, '@', SUBSTRING_INDEX(host, ':', 1), ' to MySQL, sessions: ', COUNT(*))
FROM information_schema.processlist
WHERE db = DATABASE() AND id <> CONNECTION_ID()
GROUP BY user, SUBSTRING_INDEX(host, ':', 1)
ORDER BY 1
