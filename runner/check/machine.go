package check

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
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
	return room(c.StateDir, "--state-dir", leastFree, "what is known of ends may be lost")
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
