#!/bin/sh
# cactus/go-statsd-client v5.1.0: Gauge(-5) lowers the gauge by 5 in place of setting it to -5.
#
# In the protocol of statsd a gauge whose value begins with a sign is changed by it. The client sends
# what it is given, so a value below 0 is never set; only 0 followed by it would do that.
#
# Needs Go and a module proxy.
set -eu
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
cat > go.mod <<'GO'
module finding
go 1.24
GO
cat > main.go <<'GO'
package main

import (
	"fmt"
	"net"

	"github.com/cactus/go-statsd-client/v5/statsd"
)

func main() {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	check(err)
	client, err := statsd.NewClientWithConfig(&statsd.ClientConfig{Address: server.LocalAddr().String()})
	check(err)
	check(client.Gauge("waiting", -5, 1))
	check(client.GaugeDelta("waiting", -5, 1))
	for _, name := range []string{"Gauge", "GaugeDelta"} {
		packet := make([]byte, 100)
		n, _, err := server.ReadFrom(packet)
		check(err)
		fmt.Printf("%s(-5) sends %s\n", name, packet[:n])
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go get github.com/cactus/go-statsd-client/v5@v5.1.0 2>/dev/null
go run . > seen
echo 'go-statsd-client v5.1.0:'
cat seen
printf 'Gauge(-5) sends waiting:-5|g\nGaugeDelta(-5) sends waiting:-5|g\n' > expected
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
