package pg_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/pg"
	"shardclient/runner/pgtest"
)

// copied are columns of types that are written here, and of some that only the driver knows.
var copied = []string{"id", "small", "name", "short", "good", "at", "maybe", "word", "json", "real", "bytes"}

func copiedRows() (rows [][]any) {
	moment := time.Date(2019, 3, 15, 10, 20, 31, 123456789, time.FixedZone("", 3600))
	for n := range 3000 {
		id, text := int64(n), strings.Repeat("x", n%97)
		row := []any{
			id, int32(n) - 1500, text, text, n%2 == 0, pgtype.Timestamp{Time: moment.Add(time.Duration(n) * time.Microsecond), Valid: n%3 > 0},
			&id, &text, map[string]any{"n": n}, float64(n) / 7, []byte(text),
		}
		switch n % 5 {
		case 0:
			row[6], row[7], row[8] = (*int64)(nil), (*string)(nil), nil
		case 1:
			row[5] = pgtype.Timestamp{Valid: true, InfinityModifier: pgtype.InfinityModifier(n%2*2 - 1)}
			row[0], row[6], row[2] = int32(n), new(int64), "é\U0001F600\\N\n\t\""
		}
		rows = append(rows, row)
	}
	rows[1234][2] = strings.Repeat("long ", 100_000) // more than many messages hold
	rows[2999][2] = strings.Repeat("z", 64<<10)
	return rows
}

// Rows are copied as the driver copies them.
func TestCopyAsTheDriverDoes(t *testing.T) {
	pool := pgtest.Pool(t)
	for _, table := range []string{"ours", "theirs"} {
		pgtest.Exec(t, pool, `CREATE TABLE `+table+` (id bigint, small integer, name text, short varchar(600000), good boolean, at timestamp,
			maybe bigint, word text, json jsonb, real double precision, bytes bytea)`)
	}
	rows := copiedRows()
	for range 2 { // the second time the driver knows the columns
		err := pg.Write(t.Context(), pool, func(tx *pg.Tx) error {
			n, err := tx.CopyFrom(t.Context(), pgx.Identifier{"ours"}, copied, pgx.CopyFromRows(rows))
			if n != int64(len(rows)) {
				t.Errorf("%d rows, want %d", n, len(rows))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pool.CopyFrom(t.Context(), pgx.Identifier{"theirs"}, copied, pgx.CopyFromRows(rows)); err != nil {
			t.Fatal(err)
		}
	}
	const differ = `SELECT count(*) FROM (
		(SELECT * FROM ours EXCEPT ALL SELECT * FROM theirs) UNION ALL (SELECT * FROM theirs EXCEPT ALL SELECT * FROM ours)) AS d`
	if n := pgtest.Query[int64](t, pool, differ); n != 0 {
		t.Errorf("%d rows differ from those of the driver", n)
	}
	if n := pgtest.Query[int64](t, pool, "SELECT count(*) FROM ours"); n != int64(2*len(rows)) {
		t.Errorf("%d rows", n)
	}
}

// What cannot be copied is an error, and leaves nothing.
func TestWhatCannotBeCopied(t *testing.T) {
	pool := pgtest.Pool(t)
	pgtest.Exec(t, pool, "CREATE TABLE few (id bigint PRIMARY KEY, name text)")
	broken := errors.New("the rows broke off")
	for want, rows := range map[string]func() pgx.CopyFromSource{
		"copy a row: 1 values for 2 columns": func() pgx.CopyFromSource { return pgx.CopyFromRows([][]any{{int64(1), "a"}, {int64(2)}}) },
		"copy a row: unable to encode":       func() pgx.CopyFromSource { return pgx.CopyFromRows([][]any{{int64(1), "a"}, {struct{}{}, "b"}}) },
		broken.Error():                       func() pgx.CopyFromSource { return pgx.CopyFromFunc(func() ([]any, error) { return nil, broken }) },
		"copy a row: " + io.ErrUnexpectedEOF.Error(): func() pgx.CopyFromSource {
			return pgx.CopyFromSlice(2, func(int) ([]any, error) { return nil, io.ErrUnexpectedEOF })
		},
		"duplicate key value violates unique constraint":    func() pgx.CopyFromSource { return pgx.CopyFromRows([][]any{{int64(1), "a"}, {int64(1), "b"}}) },
		"invalid byte sequence for encoding \"UTF8\": 0x00": func() pgx.CopyFromSource { return pgx.CopyFromRows([][]any{{int64(1), "a\x00"}}) },
	} {
		err := pg.Write(t.Context(), pool, func(tx *pg.Tx) error {
			_, err := tx.CopyFrom(t.Context(), pgx.Identifier{"few"}, []string{"id", "name"}, rows())
			return err
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	err := pg.Write(t.Context(), pool, func(tx *pg.Tx) error {
		_, err := tx.CopyFrom(t.Context(), pgx.Identifier{"few"}, []string{"id", "nosuch"}, pgx.CopyFromRows(nil))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "ask for the types of columns") {
		t.Errorf("%v, want the column to be missing", err)
	}
	if n := pgtest.Query[int64](t, pool, "SELECT count(*) FROM few"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// ender is a tracer that ends every COPY before it begins.
type ender struct{}

func (ender) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (ender) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (ender) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	ctx, end := context.WithCancel(ctx)
	end()
	return ctx
}

func (ender) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

// The faults of the model end a client before any statement, and before a COPY.
func TestATracerCanEndACopy(t *testing.T) {
	config := pgtest.Pool(t).Config()
	config.ConnConfig.Tracer = ender{}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	err = pg.Write(t.Context(), pool, func(tx *pg.Tx) error {
		_, err := tx.CopyFrom(t.Context(), pgx.Identifier{"ours"}, copied, pgx.CopyFromRows(copiedRows()))
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the COPY ended with %v, want what the tracer did", err)
	}
}
