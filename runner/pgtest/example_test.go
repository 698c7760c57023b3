package pgtest_test

import (
	"context"
	"fmt"

	"shardclient/runner/pgtest"
)

// A test passes its own *testing.T and closes nothing:
//
//	pool := pgtest.Pool(t)
func ExamplePool() {
	var t pgtest.Example
	defer t.Close()

	pool := pgtest.Pool(&t)
	if _, err := pool.Exec(context.Background(), "INSERT INTO afe_labels (name) VALUES ('board:eve')"); err != nil {
		panic(err)
	}
	var labels int
	if err := pool.QueryRow(context.Background(), "SELECT count(*) FROM afe_labels").Scan(&labels); err != nil {
		panic(err)
	}
	fmt.Println(labels, "label in a database of its own")
	// Output: 1 label in a database of its own
}
