package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"shardclient/runner/ops"
)

// listen tries the address at which `run` is to be seen, and pprof that of its profiles, which do
// not say of which shard they are.
func (c *Checks) listen(ctx context.Context) Result {
	return bind(ctx, "listen", c.Listen, "/", " "+html.EscapeString(c.ShardHostname)+"</title>")
}

func (c *Checks) pprof(ctx context.Context) Result {
	if c.PprofListen != "" && c.PprofListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		return fail("--listen and --pprof-listen are both "+c.Listen, "give one of them another port")
	}
	return bind(ctx, "pprof-listen", c.PprofListen, "/debug/pprof/", "go tool pprof http://ADDRESS/debug/pprof/NAME")
}

// bind looks whether somebody could listen at the address of a setting, and if not, who does.
func bind(ctx context.Context, flag, address, path, sign string) Result {
	if address == "" {
		return Result{}
	}
	listener, err := ops.Listen(ctx, address)
	if err == nil {
		_ = listener.Close() // nobody was served
		return ok(address + " is free")
	}
	text := fmt.Sprintf("--%s %s: %v", flag, address, err)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fail(text, ops.ToListen(err))
	}
	switch page := peek(address, path); {
	case strings.Contains(page, sign):
		return ok(address + " is served by the client that runs")
	case strings.Contains(page, "shard-client"):
		return fail(text+", by the client of another shard", "give each client of this machine a port of its own")
	}
	return fail(text+", by another program", "find it with ss -ltnp; stop it, or give a port that is free")
}

// peek returns the beginning of a page of whoever listens there; "": there is none.
func peek(address, path string) string {
	host, port, _ := net.SplitHostPort(address) // it was listened at
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + net.JoinHostPort(cmp.Or(host, "localhost"), port) + path)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	page, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return string(page)
}
