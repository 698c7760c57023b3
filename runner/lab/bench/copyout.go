package bench

import (
	"context"
	"embed"
	"fmt"
	"io"
	"strings"
)

// COPY TO is the one kind of statement that sqlc does not know.
//
//go:embed sql/*.sql
var floors embed.FS

// copyOut runs the statements of a floor and throws away what comes.
func (d *database) copyOut(ctx context.Context, floor string) error {
	text, err := floors.ReadFile("sql/" + floor + ".sql")
	if err != nil {
		return err
	}
	for statement := range strings.SplitSeq(strings.TrimSuffix(string(text), ";\n"), ";\n") {
		if _, err := d.PgConn().CopyTo(ctx, io.Discard, statement); err != nil {
			return fmt.Errorf("copy out what %s.sql names: %w", floor, err)
		}
	}
	return nil
}
