package operator_test

import (
	"os"
	"testing"

	"shardclient/runner/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
