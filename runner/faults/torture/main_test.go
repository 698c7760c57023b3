package torture

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
)

// What a plain `go test` plays: the same each time, within some ten seconds. What is given on the command line counts.
var plain = map[string]string{"rapid.seed": "20190315", "rapid.checks": "6", "rapid.steps": "40", "rapid.nofailfile": "true", "rapid.shrinktime": "20s"}

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Visit(func(f *flag.Flag) { delete(plain, f.Name) })
	for name, value := range plain {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(faults.WithBinary(pgtest.WithServer(m)))
}
