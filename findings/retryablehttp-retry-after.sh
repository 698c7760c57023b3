#!/bin/sh
# go-retryablehttp v0.7.8: DefaultBackoff follows Retry-After without any limit.
#
# RetryWaitMin and RetryWaitMax bound the pause only when the header is missing. "Retry-After: 0"
# and a date in the past give no pause at all, a day gives a day, and a number of seconds that does
# not fit into a time.Duration comes out negative or as another number. RateLimitLinearJitterBackoff
# reads the header by the same function.
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
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

func main() {
	const least, most = time.Second, 30 * time.Second
	for _, value := range []string{"", "0", "Mon, 02 Jan 2006 15:04:05 GMT", "86400", "9223372037"} {
		response := &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}}
		if value != "" {
			response.Header.Set("Retry-After", value)
		}
		fmt.Printf("Retry-After %q: %s\n", value, retryablehttp.DefaultBackoff(least, most, 0, response))
	}
}
GO
go get github.com/hashicorp/go-retryablehttp@v0.7.8 2>/dev/null
go run . > seen
echo 'pauses between 1 s and 30 s were asked for; go-retryablehttp v0.7.8 gives:'
cat seen
cat > expected <<'TEXT'
Retry-After "": 1s
Retry-After "0": 0s
Retry-After "Mon, 02 Jan 2006 15:04:05 GMT": 0s
Retry-After "86400": 24h0m0s
Retry-After "9223372037": -2562047h47m16.709551616s
TEXT
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
