package master

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgtype"
)

// Lists are written as the driver writes them, but for the sign that there are NULLs, which the
// server finds out by itself.
func TestListsAreWrittenAsTheDriverDoes(t *testing.T) {
	at := func(year, nanosecond int) pgtype.Timestamp {
		return pgtype.Timestamp{Time: time.Date(year, 2, 3, 4, 5, 6, nanosecond, time.UTC), Valid: true}
	}
	driver, ours := pgtype.NewMap(), pgtype.NewMap()
	registerLists(ours)
	for name, c := range map[string]struct {
		oid   uint32
		value any
		nulls bool
	}{
		"integers":    {pgtype.Int8ArrayOID, []int64{0, 1, -1, 1<<63 - 1, -1 << 63}, false},
		"no integers": {pgtype.Int8ArrayOID, []int64{}, false},
		"NULL":        {pgtype.Int8ArrayOID, []int64(nil), false},
		"texts":       {pgtype.TextArrayOID, []string{"", "a", "\x00ä,\"{}"}, false},
		"times":       {pgtype.TimestampArrayOID, []pgtype.Timestamp{at(2019, 123456000), at(1, 0), at(1999, 999999000), at(9999, 1000)}, false},
		"no time":     {pgtype.TimestampArrayOID, []pgtype.Timestamp{at(2019, 0), {}}, true},
		"another":     {pgtype.Int8ArrayOID, []int32{1, 2}, false},
	} {
		want, err := driver.Encode(c.oid, pgtype.BinaryFormatCode, c.value, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.nulls {
			want[7] = 0
		}
		got, err := ours.Encode(c.oid, pgtype.BinaryFormatCode, c.value, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-driver +ours):\n%s", name, diff)
		}
	}
}
