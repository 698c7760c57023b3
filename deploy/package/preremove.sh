#!/bin/sh
# Before the files go. An upgrade stops nothing: what is after it restarts.
set -eu

case "${1:-}" in
remove) [ ! -d /run/systemd/system ] || systemctl stop shard-client.service || true ;;
0)
	if [ -d /run/systemd/system ]; then
		systemctl --no-reload disable --now shard-client.service || true
	fi
	;;
esac
