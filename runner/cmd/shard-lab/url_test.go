package main

import (
	"strings"
	"testing"
)

// Every command that takes a database URL refuses one with an @ in its password, whichever of its
// hosts it stands before, and shows no piece of it.
func TestMistypedDatabasePasswordIsNeverShown(t *testing.T) {
	for _, databaseURL := range []string{
		"postgres://u:CANARY@CANARY@h/d", "postgres://u:CANARY@CANARY@h1,h2/d", "postgres://u:@CANARY@h1,h2/d", "postgres://u:CANARY@@h1,h2/d",
		"postgres://u:x@h1,CANARY@h2/d", "postgres://u:x@h1,u:CANARY@CANARY@h2/d", "postgres://u:12/CANARY@h1,h2/d", "postgres://u:12/x?CANARY@h/d",
		"host=h1,CANARY@h2 dbname=d", "postgres://u:CANARY%zz@h1,h2/d",
	} {
		for _, command := range []string{
			"master", "scheduler", "shard list", "label list", "host list", "job list", "user list", "user add x", "job abort 1",
		} {
			t.Setenv("SHARD_LAB_DATABASE_URL", "")
			args := strings.Fields(command)
			asFlag, _, flagErr := invoke(append(args, "--database-url", databaseURL)...)
			t.Setenv("SHARD_LAB_DATABASE_URL", databaseURL)
			asVariable, _, variableErr := invoke(args...)
			if asFlag != exitUsage || asVariable != exitUsage {
				t.Errorf("%s, %s: exit %d and %d, want %d", command, databaseURL, asFlag, asVariable, exitUsage)
			}
			for _, text := range []string{flagErr, variableErr} {
				if strings.Contains(text, "CANARY") || !strings.Contains(text, "--database-url: ") || !strings.Contains(text, "postgres://USER:PASSWORD@HOST") {
					t.Errorf("%s, %s: %q, want what to give, and no password", command, databaseURL, text)
				}
			}
		}
	}
}
