package main

import "testing"

// Without the program that moves shards, the commands say where it is wanted. What it does is
// tested in runner/move, by make test-import.
func TestMoverIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, name := range []string{"import", "export"} {
		invoke(name, "--dry-run").want(t, exitFailed).silent(t).says(t, "shard-client-move is neither beside this program, nor in /usr/libexec/shard-client, nor on PATH")
	}
	invoke("imprt").want(t, exitUsage).says(t, "did you mean import?")
	invoke("import", "--nonsense").want(t, exitUsage).says(t, "--nonsense")
}
