package main

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// An example that asks for a password asks nobody, also where the tests run on a terminal:
// createuser opens that by itself.
func TestExamplesHaveNoTerminal(t *testing.T) {
	const onTerminal = "SHARD_LAB_TEST_ON_TERMINAL"
	if os.Getenv(onTerminal) != "" {
		d := &desk{t: t, directory: t.TempDir(), variables: os.Environ()}
		if err := exec.Command("sh", "-c", ": </dev/tty").Run(); err != nil {
			t.Fatalf("this test has no terminal: %v", err)
		}
		if said := d.does("if (exec </dev/tty) 2>/dev/null; then echo asks; else echo alone; fi"); said != "alone\n" {
			t.Errorf("an example with a terminal: %q", said)
		}
		return
	}
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ours.Close() }()
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = theirs.Close() }()
	cmd := exec.Command(os.Args[0], "-test.run=^TestExamplesHaveNoTerminal$")
	cmd.Env, cmd.Stdin = append(os.Environ(), onTerminal+"=yes"), theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
