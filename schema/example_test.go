package schema_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"shardclient/runner/pgtest"
	"shardclient/schema"
)

// Whoever starts first applies what is pending; everybody else finds nothing to do.
func ExampleUp() {
	var t pgtest.Example
	defer t.Close()
	ctx, databaseURL := context.Background(), pgtest.EmptyDatabase(&t)

	first, err := schema.Up(ctx, databaseURL)
	if err != nil {
		panic(err)
	}
	second, err := schema.Up(ctx, databaseURL)
	if err != nil {
		panic(err)
	}

	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		panic(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	fmt.Println(len(first) > 0, len(second), schema.Check(ctx, conn))
	// Output: true 0 <nil>
}
