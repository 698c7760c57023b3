#!/bin/sh
# After the files are there: dpkg calls it with "configure" and the version before, if any; rpm with
# the number of versions that are installed then.
set -eu

case "${1:-}" in
configure) before=${2:-} ;;
1) before= ;;
[0-9]*) before=yes ;;
*) exit 0 ;; # dpkg undoes something: the old files are back
esac

if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers shard-client.conf
elif ! getent passwd shard-client >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/shard-client --shell /usr/sbin/nologin shard-client
fi

# Those who may become the user of the service may read its settings. A mode that somebody has made
# stricter stays.
settings=/etc/shard-client/shard-client.env
if [ "$(stat -c %U:%G "$settings" 2>/dev/null || true)" = root:root ]; then
	chgrp shard-client "$settings"
fi

running=
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	running=$(systemctl show --property=MainPID --value shard-client.service 2>/dev/null || true)
fi

if [ -z "$before" ]; then
	cat <<-'END'
		shard-client is installed, and not started yet:
		  1. make its database: /usr/share/doc/shard-client/docs/install.md, Steps
		  2. edit /etc/shard-client/shard-client.env
		  3. shard-clientctl check, until it is green
		  4. systemctl enable --now shard-client
	END
elif [ "${running:-0}" != 0 ]; then
	# A program that wants another schema would end with 4 and leave the shard without a client until
	# somebody comes. The old one serves on; its file is gone, but not the process's own hold of it.
	schema_of() { "$1" version | sed -n 's/.*schema version //p'; }
	old=$(schema_of "/proc/$running/exe" 2>/dev/null || true)
	new=$(schema_of /usr/bin/shard-client)
	if [ -z "$old" ] || [ "$old" = "$new" ]; then
		systemctl try-restart shard-client.service || true
	else
		cat <<-END
			shard-client is NOT restarted: this version wants schema $new, and the one that still runs $old.
			  1. shard-client migrate up, as the owner of the database
			  2. shard-client migrate grant ROLE, as the owner, too: ROLE is the service's
			  3. systemctl restart shard-client
			Do this before the machine restarts: until then, the new version would end with exit 4.
		END
	fi
fi
