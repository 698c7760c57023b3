package process

import (
	"bufio"
	"os"
	"os/exec"
	"testing"

	"shardclient/runner/wait"
)

// Only Linux tells a child that its parent is gone.
func TestChildEndsWhenWeAreKilled(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), helperVariable+"=1")
	input, err := cmd.StdinPipe() // open: the helper ends by the kill only
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := number(t, bufio.NewReader(output))
	if Ended(child) {
		t.Error("the child has ended by itself")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	wait.Until(t, "for the end of the killed helper's child", func() bool { return Ended(child) })
}
