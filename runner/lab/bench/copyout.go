package bench

import (
	"context"
	"embed"
	"fmt"
	"io"
)

// COPY TO is the one kind of statement that sqlc does not know.
//
//go:embed sql/*.sql
var statements embed.FS

// copyOut runs statements of COPY TO and throws away what comes.
func (d *database) copyOut(ctx context.Context, names ...string) error {
	for _, name := range names {
		statement, err := statements.ReadFile("sql/" + name + ".sql")
		if err != nil {
			return err
		}
		if _, err := d.PgConn().CopyTo(ctx, io.Discard, string(statement)); err != nil {
			return fmt.Errorf("copy %s out: %w", name, err)
		}
	}
	return nil
}
