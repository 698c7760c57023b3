package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"shardclient/runner/process"
)

// clientStop is how long shard-client gets to end when told to, before it is killed.
const clientStop = 3 * time.Second

// clientProgram is the shard-client binary and its database. The database and the timeouts are
// passed in the environment, which leaves the command lines as short as in daily life.
type clientProgram struct {
	path        string
	databaseURL string
}

// clientError is a run of shard-client that failed.
type clientError struct {
	command string
	err     error
	stderr  string
}

func (e *clientError) Error() string {
	if strings.TrimSpace(e.stderr) == "" {
		return fmt.Sprintf("run shard-client %s: %v, and it said nothing", e.command, e.err)
	}
	return fmt.Sprintf("run shard-client %s: %v; it said:\n%s", e.command, e.err, strings.TrimSpace(e.stderr))
}

func (e *clientError) Unwrap() error { return e.err }

// run returns what a command of shard-client printed. When the context ends, the command gets a
// SIGTERM. It runs in a process group that a Ctrl-C does not reach: a second signal would end it
// without finishing its heartbeat.
func (c *clientProgram) run(ctx context.Context, arguments ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, c.path, arguments...)
	cmd.Env = append(process.Environment(os.Environ()), "SHARD_CLIENT_DATABASE_URL="+c.databaseURL,
		"SHARD_CLIENT_RPC_TIMEOUT="+timeLimit.String(), "SHARD_CLIENT_STOP_TIMEOUT=1s")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = clientStop
	child, err := process.Start(cmd, syscall.SIGKILL)
	if err == nil {
		err = child.Err()
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrWaitDelay):
		return nil, fmt.Errorf("run shard-client %s: something that it started holds its output open", arguments[0])
	case err != nil:
		return nil, &clientError{command: arguments[0], err: err, stderr: stderr.String()}
	}
	return stdout.Bytes(), nil
}
