#!/bin/sh
# Makes sure that there is a Chromium and npm on this machine: does nothing when they are, otherwise
# installs Debian's packages as root or with passwordless sudo. Then fetches axe-core, pinned by
# package-lock.json, into the directory that is given.
set -eu

here=$(dirname "$(readlink -f "$0")")
into=$1

have() { command -v "$1" >/dev/null 2>&1; }
browser() { have chromium || have chromium-browser || have google-chrome; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

missing=
browser || missing="chromium"
have npm || missing="$missing npm"
if [ -n "$missing" ]; then
	have apt-get || { echo "page: install $missing; this script only knows apt-get" >&2; exit 1; }
	echo "installing $missing: takes a minute or two" >&2
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update >&2
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 install $missing fonts-dejavu-core >&2
fi
mkdir -p "$into"
cp "$here/package.json" "$here/package-lock.json" "$into/"
[ -f "$into/node_modules/axe-core/axe.min.js" ] || npm --prefix "$into" ci --ignore-scripts --no-audit --no-fund --silent
