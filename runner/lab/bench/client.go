package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"shardclient/runner/lab/usage"
	"shardclient/runner/process"
)

const (
	// stopPatience is how long a client may take to end before it is killed.
	stopPatience = 30 * time.Second

	// errorLines is how many lines of a client that ended go into the error.
	errorLines = 10
)

// program is a build of shard-client.
type program struct {
	name     string // "subject" or "base"
	path     string
	template string // a database with its schema
}

// label names the program for people.
func (p *program) label() string {
	if p.name == "base" {
		return "the other build"
	}
	return "shard-client"
}

// figures are what a client logs about a beat.
type figures struct {
	Outcome  string  `json:"msg"`
	Error    string  `json:"error"`
	PackedMS float64 `json:"packed_ms"`
	RPCMS    float64 `json:"rpc_ms"`
	AckMS    float64 `json:"ack_ms"`
	ApplyMS  float64 `json:"apply_ms"`

	KnownJobs       int `json:"known_jobs"`
	UploadedJobs    int `json:"uploaded_jobs"`
	UploadedEntries int `json:"uploaded_entries"`
	ReceivedHosts   int `json:"received_hosts"`
	ReceivedJobs    int `json:"received_jobs"`
	Quarantined     int `json:"quarantined"`
}

// total is the time of the whole beat.
func (f figures) total() float64 { return f.PackedMS + f.RPCMS + f.AckMS + f.ApplyMS }

// client is a running shard-client.
type client struct {
	began   time.Time
	process *process.Process
	beats   chan figures // of each beat that ended; closed when the client has closed its log
	tail    *tail
}

// run starts `shard-client run`, which beats again as soon as it may. environment comes last, so it
// counts.
func (p *program) run(master, databaseURL string, environment ...string) (*client, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.path, err)
	}
	cmd := p.command("run", databaseURL)
	cmd.Env = append(cmd.Env, "SHARD_CLIENT_MASTER="+master, "SHARD_CLIENT_SHARD_HOSTNAME="+shardHostname,
		"SHARD_CLIENT_USER=chromeos-test", "SHARD_CLIENT_PROTOCOL=2019", "SHARD_CLIENT_LOG_FORMAT=json",
		"SHARD_CLIENT_STARTUP_SPLAY=0", "SHARD_CLIENT_HEARTBEAT_PAUSE=1ms", "SHARD_CLIENT_DRAIN_PAUSE=1ms",
		"SHARD_CLIENT_MAX_RESPONSE_BYTES=1GiB", "SHARD_CLIENT_STOP_TIMEOUT=0")
	cmd.Env = append(cmd.Env, environment...)
	cmd.Stderr = writer
	c := &client{began: time.Now(), beats: make(chan figures, 1), tail: &tail{}}
	c.process, err = process.Start(cmd, syscall.SIGKILL)
	_ = writer.Close() // the child writes through a copy of its own
	if err != nil {
		_ = reader.Close()
		return nil, fmt.Errorf("start %s: %w", p.path, err)
	}
	go c.read(reader)
	return c, nil
}

// migrate creates the tables of this build.
func (p *program) migrate(ctx context.Context, databaseURL string) error {
	var said bytes.Buffer
	cmd := p.command("migrate", databaseURL)
	cmd.Args = append(cmd.Args, "up")
	cmd.Stdout, cmd.Stderr = &said, &said
	running, err := process.Start(cmd, syscall.SIGKILL)
	if err == nil {
		err = running.Wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s migrate up: %w: %s", p.path, err, strings.TrimSpace(said.String()))
	}
	return nil
}

func (p *program) command(name, databaseURL string) *exec.Cmd {
	cmd := exec.Command(p.path, name)
	cmd.Env = append(process.Environment(os.Environ()), "SHARD_CLIENT_DATABASE_URL="+databaseURL)
	return cmd
}

// read reads the log. A beat that nobody waits for is not kept.
func (c *client) read(log *os.File) {
	defer func() { _ = log.Close() }() // it was only read
	defer close(c.beats)
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		c.tail.add(lines.Text())
		var f figures
		if json.Unmarshal(lines.Bytes(), &f) != nil || !strings.HasPrefix(f.Outcome, "heartbeat") {
			continue
		}
		select {
		case <-c.beats:
		default:
		}
		c.beats <- f
	}
}

// beat waits until the beat has ended that is under way, and insists that all went well.
func (c *client) beat(ctx context.Context) (figures, error) {
	f, err := c.ended(ctx)
	if err == nil && (f.Outcome != "heartbeat" || f.Quarantined > 0) {
		err = fmt.Errorf("%s, %d set aside: %s", f.Outcome, f.Quarantined, f.Error)
	}
	return f, err
}

// ended waits until the beat has ended that is under way.
func (c *client) ended(ctx context.Context) (figures, error) {
	select {
	case f, open := <-c.beats:
		if !open {
			return f, fmt.Errorf("shard-client has ended: %w: %s", c.process.Err(), c.tail)
		}
		return f, nil
	case <-ctx.Done():
		return figures{}, fmt.Errorf("wait for the end of a beat: %w", ctx.Err())
	}
}

// exchange waits for the next request, answers it, and waits for the end of that beat.
func (c *client) exchange(ctx context.Context, s *stub, body []byte) (figures, error) {
	request, err := c.request(ctx, s)
	if err != nil {
		return figures{}, err
	}
	request.answer <- body
	return c.beat(ctx)
}

// request waits for the next request of a client that may end instead.
func (c *client) request(ctx context.Context, s *stub) (call, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-c.process.Done():
			cancel(errors.New("shard-client has ended: " + c.tail.String()))
		case <-ctx.Done():
		}
	}()
	request, err := s.next(ctx)
	if err != nil {
		return request, errors.Join(err, context.Cause(ctx))
	}
	return request, nil
}

// used returns what the client has used so far.
func (c *client) used() (usage.Usage, error) { return usage.Of(c.process.PID()) }

// stop ends the client, and returns once it has ended.
func (c *client) stop() {
	if !c.process.SignalAndWait(syscall.SIGTERM, stopPatience) {
		c.process.Kill()
	}
}
