#!/bin/sh
# build.sh VERSION: makes dist/ (or DIST), with a tarball, a .deb and a .rpm of shard-client for each
# architecture. The same commit gives the same bytes. shard-lab stays out: it is a program for a
# desk, and brings a master and a PostgreSQL that nobody wants on a shard.
set -eu
cd "$(dirname "$0")/../.."
version=$1
nfpm=${NFPM:?"the command that runs nfpm"}
case $version in
[0-9]*.shallow) echo 'dist: a shallow clone does not know its version: git fetch --unshallow --tags' >&2; exit 1 ;;
[0-9]*) ;;
*) echo "dist: $version is no version: make dist in a clone, or make dist VERSION=1.2.3" >&2; exit 1 ;;
esac

arches=${ARCHES:-amd64 arm64}
dist=${DIST:-dist}

umask 022
export TZ=UTC LC_ALL=C CGO_ENABLED=0
# The time that everything in the packages bears.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

stage=$(mktemp -d "${TMPDIR:-/tmp}/shard-dist.XXXXXX")
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

program() { # program ARCH FILE NAME
	GOOS=linux GOARCH=$1 go build -buildvcs=false -trimpath -tags nethttpomithttp2 -ldflags "-s -w -X main.version=$version" -o "$2" "./runner/cmd/$3"
}

# The documents of an operator, with the paths that they have among each other.
documents() { # documents DIRECTORY
	install -d "$1/docs"
	install -m 644 README.md CHANGELOG.md "$1"
	install -m 644 docs/install.md docs/migrating.md docs/settings.md docs/runbook.md docs/metrics.md docs/grants.sql "$1/docs"
	for directory in prometheus grafana; do
		if [ -d deploy/$directory ]; then cp -r deploy/$directory "$1/"; fi
	done
}

# What the program writes about itself.
generated() { # generated PROGRAM MAN BASH ZSH FISH
	install -d "$(dirname "$2")" "$(dirname "$3")" "$(dirname "$4")" "$(dirname "$5")"
	"$1" man >"$2"
	"$1" completion bash >"$3"
	"$1" completion zsh >"$4"
	"$1" completion fish >"$5"
}

same_time() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

tarball() { # tarball ARCH
	name=shard-client-$version-linux-$1
	top=$stage/$1-tar/$name
	install -d "$top/systemd" "$top/completion"
	install -m 755 "$stage/$1" "$top/shard-client"
	install -m 755 "$stage/$1-move" "$top/shard-client-move"
	install -m 644 LICENSE "$top"
	documents "$top"
	install -m 755 deploy/package/shard-clientctl "$top"
	install -m 644 deploy/shard-client.env deploy/Containerfile "$top"
	install -m 644 deploy/systemd/shard-client.service deploy/systemd/sysusers.conf "$top/systemd"
	generated "$stage/$here" "$top/shard-client.1" "$top/completion/shard-client.bash" \
		"$top/completion/_shard-client" "$top/completion/shard-client.fish"
	same_time "$top"
	tar --create --directory "$stage/$1-tar" --sort=name --format=gnu --owner=0 --group=0 --numeric-owner \
		--mtime="@$SOURCE_DATE_EPOCH" "$name" | gzip -n -9 >"$dist/$name.tar.gz"
}

packages() { # packages ARCH
	root=$stage/$1-root
	doc=$root/usr/share/doc/shard-client
	install -d "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib/systemd/system" "$root/usr/lib/sysusers.d" \
		"$root/etc/shard-client" "$doc"
	install -m 755 "$stage/$1" "$root/usr/bin/shard-client"
	# Only shard-client starts it, for import and export.
	install -D -m 755 "$stage/$1-move" "$root/usr/libexec/shard-client/shard-client-move"
	install -m 755 deploy/package/shard-clientctl "$root/usr/sbin"
	install -m 644 deploy/systemd/shard-client.service "$root/usr/lib/systemd/system"
	install -m 644 deploy/systemd/sysusers.conf "$root/usr/lib/sysusers.d/shard-client.conf"
	install -m 644 LICENSE "$doc/copyright"
	documents "$doc"
	generated "$stage/$here" "$root/usr/share/man/man1/shard-client.1" \
		"$root/usr/share/bash-completion/completions/shard-client" \
		"$root/usr/share/zsh/vendor-completions/_shard-client" \
		"$root/usr/share/fish/vendor_completions.d/shard-client.fish"
	install -m 644 deploy/package/completion/shard-clientctl "$root/usr/share/bash-completion/completions"
	install -m 644 deploy/package/completion/_shard-clientctl "$root/usr/share/zsh/vendor-completions"
	install -m 644 deploy/package/completion/shard-clientctl.fish "$root/usr/share/fish/vendor_completions.d"
	gzip -n -9 "$root/usr/share/man/man1/shard-client.1"
	install -m 640 deploy/shard-client.env "$root/etc/shard-client"
	same_time "$root"
	for kind in deb rpm; do
		ARCH=$1 VERSION=$version STAGE=$root $nfpm package --config deploy/package/nfpm.yaml --packager $kind --target "$dist/"
	done
}

rm -rf "$dist"
mkdir -p "$dist"
here=$(go env GOHOSTARCH)
case " $arches " in *" $here "*) ;; *) arches="$arches $here" ;; esac
for arch in $arches; do
	program "$arch" "$stage/$arch" shard-client
	program "$arch" "$stage/$arch-move" shard-client-move
done
for arch in $arches; do
	tarball "$arch"
	packages "$arch"
done
(cd "$dist" && sha256sum -- *.tar.gz *.deb *.rpm >SHA256SUMS)
