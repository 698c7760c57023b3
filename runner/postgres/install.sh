#!/bin/sh
# Makes sure that PostgreSQL's server programs are on this machine, and with the argument pgbouncer
# also the pooler that the tests need: does nothing when they are, otherwise installs the
# distribution's packages as root or with passwordless sudo. It creates no cluster and starts no
# server; the service that Debian's package of PostgreSQL enables has nothing to start without a
# cluster.
set -eu

oldest_major=15
pooler=${1:-} # pgbouncer, or nothing

# usable DIR: whether DIR holds initdb and a postgres that is new enough.
usable() {
	[ -x "$1/initdb" ] && [ -x "$1/postgres" ] || return 1
	version=$("$1/postgres" --version 2>/dev/null | sed 's/[^0-9]*\([0-9]*\).*/\1/')
	[ "${version:-0}" -ge "$oldest_major" ]
}

# The places are those of find.go, in the same order.
found() {
	if [ -n "${SHARD_LAB_PG_BIN:-}" ]; then
		usable "$SHARD_LAB_PG_BIN"
		return
	fi
	for program in $(command -v initdb || true); do
		usable "$(dirname "$(readlink -f "$program")")" && return
	done
	usable "$(pg_config --bindir 2>/dev/null || true)" && return
	for directory in /usr/lib/postgresql/*/bin /usr/lib/postgresql*/bin /usr/lib64/postgresql*/bin /usr/pgsql-*/bin \
		/usr/local/pgsql/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin \
		/usr/libexec/postgresql*; do
		usable "$directory" && return
	done
	return 1
}

pooler_found() {
	[ -z "$pooler" ] && return
	for program in "$(command -v "$pooler" || true)" /usr/sbin/"$pooler" /usr/bin/"$pooler" /usr/local/sbin/"$pooler" \
		/usr/local/bin/"$pooler" /opt/homebrew/bin/"$pooler"; do
		[ -x "$program" ] && return
	done
	return 1
}

have() { command -v "$1" >/dev/null 2>&1; }

fail() {
	if found; then what=$pooler; else what="PostgreSQL $oldest_major or newer"; fi
	echo "install $what: $1" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Debian's package creates and starts a cluster on port 5432 when it is installed, unless a setting
# of postgresql-common forbids that. So postgresql-common is installed first, and then set.
install_apt() {
	apt="env DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends -o Dpkg::Use-Pty=0"
	as_root $apt update &&
		as_root $apt install postgresql-common &&
		as_root sed -i '/^#*[[:space:]]*create_main_cluster/d; $a create_main_cluster = false' \
			/etc/postgresql-common/createcluster.conf &&
		as_root $apt install postgresql
}

# Debian's package enables and starts the pooler as a service of the machine. A mask keeps it from
# starting, and is taken away afterwards together with what enables it.
install_apt_pooler() {
	apt="env DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends -o Dpkg::Use-Pty=0"
	unit=/etc/systemd/system/$pooler.service
	as_root $apt update || return 1
	as_root mkdir -p /etc/systemd/system
	[ -e "$unit" ] || as_root ln -s /dev/null "$unit"
	as_root $apt install "$pooler"
	installed=$?
	[ "$(readlink "$unit")" != /dev/null ] || as_root rm -f "$unit"
	as_root rm -f "/etc/systemd/system/multi-user.target.wants/$pooler.service"
	return $installed
}

install_pooler() {
	if have apt-get; then install_apt_pooler
	elif have dnf; then as_root dnf -y -q install "$pooler"
	elif have yum; then as_root yum -y -q install "$pooler"
	elif have apk; then as_root apk add --quiet "$pooler"
	elif have pacman; then as_root pacman -Sy --noconfirm --needed "$pooler"
	elif have zypper; then as_root zypper --non-interactive --quiet install "$pooler"
	else return 1; fi
}

install_package() {
	if have apt-get; then install_apt
	elif have dnf; then as_root dnf -y -q install postgresql-server
	elif have yum; then as_root yum -y -q install postgresql-server
	elif have apk; then as_root apk add --quiet postgresql
	elif have pacman; then as_root pacman -Sy --noconfirm --needed postgresql
	elif have zypper; then as_root zypper --non-interactive --quiet install postgresql-server
	else return 1; fi
}

# missing SERVER: the packages that are missing, by the name that the server's has here.
missing() {
	found || echo "$1"
	pooler_found || echo "$pooler"
}

what_to_install() {
	if have apt-get; then echo apt-get install $(missing postgresql)
	elif have dnf; then echo dnf install $(missing postgresql-server)
	elif have yum; then echo yum install $(missing postgresql-server)
	elif have apk; then echo apk add $(missing postgresql)
	elif have pacman; then echo pacman -S $(missing postgresql)
	elif have zypper; then echo zypper install $(missing postgresql-server)
	elif have brew; then echo brew install $(missing postgresql)
	else echo "your system's package of" $(missing 'the PostgreSQL server'); fi
}

# where says what to set where the programs are somewhere else.
where() {
	if found; then echo 'put its directory on PATH'; else echo 'set SHARD_LAB_PG_BIN to the directory of initdb and postgres'; fi
}

install_all() {
	found || install_package || return 1
	pooler_found || install_pooler
}

if found && pooler_found; then exit 0; fi

if ! found && [ -n "${SHARD_LAB_PG_BIN:-}" ]; then
	fail "SHARD_LAB_PG_BIN=$SHARD_LAB_PG_BIN does not hold it; correct or unset the variable"
fi
if [ "$(id -u)" != 0 ] && ! { have sudo && sudo -n true 2>/dev/null; }; then
	fail "not root and no passwordless sudo here; ask for: $(what_to_install), or $(where)"
fi
# What a package manager says is eighty lines that nobody needs unless it fails.
log=$(mktemp "${TMPDIR:-/tmp}/install-postgresql.XXXXXX")
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
began=$(date +%s)
if found; then what=$pooler; else what=PostgreSQL; fi
echo "installing $what ($(what_to_install)): takes a minute; only programs, nothing is started" >&2
if ! install_all </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	fail "the installation failed, see above; correct that, or run yourself: $(what_to_install)"
fi
echo "$what is installed, after $(($(date +%s) - began)) s" >&2
pooler_found || fail "installed, but $pooler is not where it is looked for; put its directory on PATH"
found || fail "installed, but initdb and postgres are not where they are looked for; set SHARD_LAB_PG_BIN to their directory"
