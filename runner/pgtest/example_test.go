package pgtest_test

import (
	"fmt"
	"testing"

	"shardclient/runner/pgtest"
)

// A test passes its own t to Pool, and its package has
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
func ExamplePool() {
	pgtest.InExample(func(t testing.TB) {
		pool := pgtest.Pool(t)
		var jobs int
		if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM afe_jobs").Scan(&jobs); err != nil {
			t.Fatal(err)
		}
		fmt.Println("jobs in a new database:", jobs)
	})
	// Output: jobs in a new database: 0
}
