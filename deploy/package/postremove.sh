#!/bin/sh
# After the files are gone. What is removed is what the package, systemd for its unit, and the
# client's own log have made. The user stays: files elsewhere may be its own, and a new user could get
# its number. The database is nobody's here.
set -eu

case "${1:-}" in
purge)
	rm -rf /var/lib/shard-client /var/cache/shard-client
	# Only what is named as the client names it: others may keep something there too.
	rm -f /var/log/shard-client/shard_client.log.*
	rm -f /etc/systemd/system/multi-user.target.wants/shard-client.service
	for directory in /var/log/shard-client /etc/shard-client; do
		rmdir --ignore-fail-on-non-empty "$directory" 2>/dev/null || true
	done
	if [ -e /etc/credstore/shard-client.database-password ]; then
		echo 'left in place, remove it yourself: /etc/credstore/shard-client.database-password'
	fi
	;;
esac
if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
