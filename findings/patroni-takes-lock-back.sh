#!/bin/sh
# Patroni 3.0.2, Debian 12's, with etcd 3.4: a leader whose lease has run out takes the lock back.
#
# With etcd's version 3 interface, renewing the lock means: ask for a new lease where the old one has
# run out, and write the own name over the leader key, whoever's name stands there. So a leader that
# was paused past its TTL, and looks at what it knew before, takes the lock from the one that was
# promoted meanwhile and is told that it has kept it. With the older interface the key is compared
# before. Mended in later versions ("Make sure the leader key isn't unconditionally overwritten",
# https://github.com/patroni/patroni/pull/2689).
#
# Needs apt-get with Debian 12's packages, Python 3.11 of Debian, curl; no root, no PostgreSQL.
set -eu
cd "$(mktemp -d)"
etcd=
trap '[ -z "$etcd" ] || kill "$etcd"; rm -rf "$PWD"' EXIT
apt-get -qq -o APT::Sandbox::User=root download patroni=3.0.2-1 etcd-server=3.4.23-4+b4 python3-etcd python3-urllib3 python3-dateutil \
	python3-six python3-dnspython python3-yaml >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
port=$((20000 + $$ % 20000))
url=http://127.0.0.1:$port
root/usr/bin/etcd --enable-v2 --data-dir data --listen-client-urls "$url" --advertise-client-urls "$url" \
	--listen-peer-urls "http://127.0.0.1:$((port + 1))" --initial-advertise-peer-urls "http://127.0.0.1:$((port + 1))" \
	--initial-cluster "default=http://127.0.0.1:$((port + 1))" >log 2>&1 &
etcd=$!
until curl -fsS "$url/health" >/dev/null 2>&1; do kill -0 "$etcd"; sleep 0.1; done
cat >play.py <<'PYTHON'
import os
import sys
import time

from patroni.dcs import get_dcs

kind, host = sys.argv[1:]


def node(name):
    return get_dcs({kind: {'host': host}, 'scope': kind, 'name': name, 'namespace': '/service/',
                    'ttl': 3, 'loop_wait': 1, 'retry_timeout': 3})


first, second = node('n1'), node('n2')
first.get_cluster()  # as each turn of Patroni begins
assert first.attempt_to_acquire_leader()
first.get_cluster()
time.sleep(8)  # n1 is paused, and its lease runs out
leader = second.get_cluster().leader
assert not leader or not leader.name
assert second.attempt_to_acquire_leader()
held = first.update_leader(None)  # n1 goes on in the turn in which it was paused
print(kind + ': n1 is told that it leads:', bool(held), '- the key says:', node('n3').get_cluster().leader.name)
sys.stdout.flush()
os._exit(0)  # not waiting for the threads that watch
PYTHON
for kind in etcd3 etcd; do
	PYTHONPATH=$PWD/root/usr/lib/python3/dist-packages /usr/bin/python3 play.py $kind "127.0.0.1:$port" 2>>warnings
done >seen || { cat warnings; exit 1; }
cat seen
cat >expected <<'TEXT'
etcd3: n1 is told that it leads: True - the key says: n1
etcd: n1 is told that it leads: False - the key says: n2
TEXT
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
