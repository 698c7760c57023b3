package pg

import (
	"cmp"
	"context"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// copyStatements have {table} and {columns}.
//
//go:embed sql/copy.sql sql/columns.sql
var copyStatements embed.FS

func copyStatement(name string, table pgx.Identifier, columns []string) string {
	text, err := copyStatements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // it is embedded
	}
	quoted := make([]string, len(columns))
	for i, column := range columns {
		quoted[i] = pgx.Identifier{column}.Sanitize()
	}
	return strings.NewReplacer("{table}", table.Sanitize(), "{columns}", strings.Join(quoted, ", ")).Replace(string(text))
}

// copyFrom copies rows into a table as the driver does, but sends the first rows at once: the
// driver first fills 64 kB, and the server waits for them. What a row holds most is written without
// asking the driver how. A tracer of the connection is told when it begins, and may end it.
func copyFrom(
	ctx context.Context, conn *pgx.Conn, table pgx.Identifier, columns []string, rows pgx.CopyFromSource,
) (int64, error) {
	if tracer, traced := conn.Config().Tracer.(pgx.CopyFromTracer); traced {
		ctx = tracer.TraceCopyFromStart(ctx, conn, pgx.TraceCopyFromStartData{TableName: table, ColumnNames: columns})
	}
	ask := copyStatement("columns", table, columns)
	described, err := conn.Prepare(ctx, ask, ask) // the driver keeps it
	if err != nil {
		return 0, fmt.Errorf("ask for the types of columns: %w", err)
	}
	reader := &copyReader{types: conn.TypeMap(), rows: rows, most: firstCopied, made: []byte(copyHead)}
	for _, column := range described.Fields {
		reader.columns = append(reader.columns, column.DataTypeOID)
	}
	tag, err := conn.PgConn().CopyFrom(ctx, reader, copyStatement("copy", table, columns))
	reader.stop() // when the server ends the session, the driver does not wait for whoever reads
	return tag.RowsAffected(), err
}

const (
	firstCopied = 2 << 10  // bytes that are sent first
	mostCopied  = 64 << 10 // bytes that are sent at once later; the driver takes no more
)

// copyHead comes before the rows: a signature, no flags, no extension.
const copyHead = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// copyReader reads rows as COPY takes them.
type copyReader struct {
	mu      sync.Mutex
	types   *pgtype.Map
	columns []uint32 // their types
	rows    pgx.CopyFromSource
	most    int    // bytes that are made at once
	made    []byte // of rows
	read    int    // bytes of these
	end     error  // why no rows are made any more
}

// stop waits for a Read that is under way. No row is asked for after it.
func (r *copyReader) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end = errStopped
}

var errStopped = errors.New("the COPY is over")

// Read makes rows until there are enough bytes for one message.
func (r *copyReader) Read(message []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if want := min(r.most, len(message)); len(r.made)-r.read < want {
		r.made, r.read = r.made[:copy(r.made, r.made[r.read:])], 0
		for len(r.made) < want && r.end == nil {
			r.end = r.make()
		}
		r.most = mostCopied
	}
	n := copy(message, r.made[r.read:])
	if r.read += n; n == 0 {
		return 0, r.end
	}
	return n, nil
}

// make makes one row: how many values it has, and each with its length.
func (r *copyReader) make() error {
	if !r.rows.Next() {
		return cmp.Or(r.rows.Err(), io.EOF)
	}
	values, err := r.rows.Values()
	if err == nil && len(values) != len(r.columns) {
		err = fmt.Errorf("%d values for %d columns", len(values), len(r.columns))
	}
	row := binary.BigEndian.AppendUint16(r.made, uint16(len(values)))
	for i := 0; i < len(values) && err == nil; i++ {
		row, err = r.value(row, r.columns[i], values[i])
	}
	if err != nil {
		return fmt.Errorf("copy a row: %w", err)
	}
	r.made = row
	return nil
}

// value writes a value with its length.
func (r *copyReader) value(buf []byte, column uint32, value any) ([]byte, error) {
	order := binary.BigEndian
	switch v := value.(type) {
	case int64:
		if column == pgtype.Int8OID {
			return appendInt8(buf, v), nil
		}
	case *int64:
		if v == nil {
			return order.AppendUint32(buf, null), nil
		}
		return r.value(buf, column, *v)
	case int32:
		if column == pgtype.Int4OID {
			return order.AppendUint32(order.AppendUint32(buf, 4), uint32(v)), nil
		}
	case string:
		if column == pgtype.TextOID || column == pgtype.VarcharOID {
			return appendText(buf, v), nil
		}
	case bool:
		if column == pgtype.BoolOID {
			return appendBool(buf, v), nil
		}
	case pgtype.Timestamp:
		if column == pgtype.TimestampOID {
			return appendTimestamp(buf, v), nil
		}
	}
	start := len(buf)
	buf = order.AppendUint32(buf, null)
	filled, err := r.types.Encode(column, pgtype.BinaryFormatCode, value, buf)
	if err != nil || filled == nil {
		return buf, err
	}
	order.PutUint32(filled[start:], uint32(len(filled)-len(buf)))
	return filled, nil
}
