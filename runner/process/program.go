package process

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// logTail is how many bytes from the end of a log go into the error of a program that died.
const logTail = 2048

// Program is a program of the lab, such as shard-client, that runs beside this one. It ends with
// this process, even when this one is killed. A Ctrl-C on the terminal does not reach it: whoever
// started it stops it. It can be started again.
type Program struct {
	Name    string           // for people: "shard-client of shard1"
	LogDir  string           // the directory of its log, which is named after it
	Command func() *exec.Cmd // a new one for each start, with its environment

	running *Process
}

// Start starts the program. Its output is appended to the log of earlier starts.
func (p *Program) Start() error { return p.start(nil) }

// start sends what the program prints to the given file instead of its log; stderr is always
// logged.
func (p *Program) start(stdout *os.File) error {
	log, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: open its log: %w", p.Name, err)
	}
	defer func() { _ = log.Close() }() // the child writes through a copy of its own
	cmd := p.Command()
	cmd.Stdout, cmd.Stderr = cmp.Or(stdout, log), log
	if p.running, err = Start(cmd, syscall.SIGKILL); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	return nil
}

// Greeting starts the program and returns the first line that it prints. Nobody reads what it
// prints to stdout after that.
func (p *Program) Greeting() (string, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("start %s: %w", p.Name, err)
	}
	defer func() { _ = reader.Close() }() // nothing was written through it
	err = p.start(writer)
	_ = writer.Close() // the child writes through a copy of its own
	if err != nil {
		return "", err
	}
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("start %s: it ended before it was ready; it said: %s", p.Name, EndOf(p.logPath()))
	}
	return strings.TrimSpace(line), nil
}

func (p *Program) logPath() string {
	return filepath.Join(p.LogDir, strings.ReplaceAll(p.Name, " ", "-")+".log")
}

// PID returns the process id of the last start.
func (p *Program) PID() int { return p.running.PID() }

// Ended reports whether the program does not run: it was not started, or has ended.
func (p *Program) Ended() bool { return p.running == nil || p.running.Ended() }

// Kill ends the program as a power cut would, and waits until it is gone.
func (p *Program) Kill() { p.running.Kill() }

// Stop asks the program to end, and kills it once patience has run out. It does nothing to a
// program that was never started.
func (p *Program) Stop(patience time.Duration) {
	if p.running != nil && !p.running.SignalAndWait(syscall.SIGTERM, patience) {
		p.Kill()
	}
}

// Environment returns the inherited environment without any setting that one of our programs would
// read. On a machine that is set up as a shard, the lab then behaves as anywhere else and keeps
// away from the shard's database.
func Environment(inherited []string) []string {
	var kept []string
	for _, entry := range inherited {
		setting := strings.HasPrefix(entry, "SHARD_CLIENT_") || strings.HasPrefix(entry, "SHARD_LAB_DATABASE_URL=") ||
			strings.HasPrefix(entry, "AUTOTEST_") || strings.HasPrefix(entry, "PG")
		if !setting {
			kept = append(kept, entry)
		}
	}
	return kept
}

// EndOf returns the last lines of a log, or the reason why they cannot be read.
func EndOf(path string) string {
	log, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-logTail):])
}
