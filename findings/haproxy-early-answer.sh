#!/bin/sh
# haproxy 2.6.12, Debian 12's, with Go's net/http: the refusal of a large request is a broken pipe.
#
# haproxy answers as soon as it knows what to say: 503 where no server is left, 413 or 403 where a rule
# says so. It then closes the connection with the rest of the request unread, which resets it. A client
# that is still writing meets the reset; Go's, more often than not, before it has read the answer that
# came. It then returns "broken pipe" or "connection reset by peer", and neither status nor
# Retry-After. A request that fits into the buffers of the sockets always gets its status.
#
# Needs apt-get with Debian 12's packages, Go 1.24 or newer, and no root.
set -eu
cd "$(mktemp -d)"
haproxy=
trap '[ -z "$haproxy" ] || kill "$haproxy"; rm -rf "$PWD"' EXIT
apt-get -qq -o APT::Sandbox::User=root download haproxy=2.6.12-1+deb12u4 liblua5.3-0 >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$PWD/root/usr/lib/$(uname -m)-linux-gnu
export LD_LIBRARY_PATH
port=$((20000 + $$ % 10000))
cat >haproxy.cfg <<END
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
listen nobody
  bind 127.0.0.1:$port
  retries 0
  server down 127.0.0.1:1
END
root/usr/sbin/haproxy -v | sed -n '1s/ - .*//p'
root/usr/sbin/haproxy -db -f haproxy.cfg >log 2>&1 &
haproxy=$!
unset LD_LIBRARY_PATH
cat >main.go <<'GO'
package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
)

func main() {
	for { // until it listens
		if conn, err := net.Dial("tcp", os.Args[1]); err == nil {
			_ = conn.Close()
			break
		}
	}
	fmt.Println("1 kB:", seen(1<<10))
	fmt.Println("10 MB:", seen(10<<20))
}

func seen(size int) string {
	answered, broken := 0, 0
	for range 100 {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Post("http://"+os.Args[1], "text/plain", bytes.NewReader(make([]byte, size)))
		switch {
		case errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
			broken++
		case err != nil:
			return err.Error()
		case response.StatusCode != http.StatusServiceUnavailable:
			return response.Status
		default:
			answered++
			_ = response.Body.Close()
		}
	}
	switch {
	case broken == 0:
		return "all of 100 got 503"
	case answered == 0:
		return "all of 100 broke"
	default:
		fmt.Fprintln(os.Stderr, answered, "got 503,", broken, "broke")
		return "some got 503, some broke"
	}
}
GO
printf 'module play\n\ngo 1.24\n' >go.mod
go version | cut -d' ' -f3
CGO_ENABLED=0 go run . "127.0.0.1:$port" >seen
cat seen
grep -qx '1 kB: all of 100 got 503' seen && grep -qx '10 MB: .* broke' seen || { echo 'the behaviour has changed'; exit 1; }
