package torture

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
)

// What a plain `go test` plays: the same each time, within half a minute. What is given on the
// command line counts.
var plain = map[string]string{"rapid.seed": "20190315", "rapid.checks": "8", "rapid.steps": "25", "rapid.nofailfile": "true", "rapid.shrinktime": "20s"}

// What TestTorture gets: go test ./runner/faults/torture -run TestTorture -v -args -seconds 600
// -seed 7
var (
	seconds = flag.Int("seconds", 8, "how long TestTorture injects faults")
	seed    = flag.Uint64("seed", 0, "of TestTorture; 0: a random one, which is printed")
)

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Visit(func(f *flag.Flag) { delete(plain, f.Name) })
	for name, value := range plain {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(binaries.WithBinaries(pgtest.WithServer(m)))
}
