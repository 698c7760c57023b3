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
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"shardclient/runner/ops"
)

// leastFree is how much room a directory needs for anything at all.
const leastFree = 64 << 20

// spool is where answers of more than 2 MiB are kept while they are stored.
func (c *Checks) spool(context.Context) Result {
	return room(cmp.Or(c.SpoolDir, os.TempDir()), "--spool-dir", uint64(c.MaxResponseBytes),
		"an answer of --max-response-bytes would not fit")
}

func (c *Checks) log(context.Context) Result {
	if c.LogDir == "" {
		return Result{} // the log goes to stderr only
	}
	return room(c.LogDir, "--log-dir", leastFree, "the log would soon fill it")
}

func (c *Checks) state(context.Context) Result {
	if c.StateDir == "" {
		return Result{}
	}
	return room(c.StateDir, "--state-dir", 1<<20, "what is known of ends may be lost")
}

// room looks whether this user may write to a directory, and how much fits in. It writes nothing.
func room(directory, flag string, wanted uint64, otherwise string) Result {
	var disk unix.Statfs_t
	err := unix.Access(directory, unix.W_OK|unix.X_OK)
	if err == nil {
		err = unix.Statfs(directory, &disk)
	}
	if err != nil {
		return fail(fmt.Sprintf("%s cannot be written to: %v", directory, err), "give "+flag+" a directory that this user may write to")
	}
	free := uint64(disk.Bavail) * uint64(disk.Bsize)
	text := fmt.Sprintf("%s has room for %s", directory, size(free))
	switch {
	case free < min(wanted, leastFree), disk.Files > 0 && disk.Ffree == 0:
		return fail(text, "make room there, or give another "+flag)
	case free < wanted:
		return warn(fmt.Sprintf("%s: %s", text, otherwise), "make room there, or give another "+flag)
	}
	return ok(text)
}

func size(bytes uint64) string {
	switch {
	case bytes >= 10<<30:
		return fmt.Sprintf("%d GiB", bytes>>30)
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}

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
