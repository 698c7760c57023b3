package pg

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Arrays are written as the driver writes them, byte for byte, but for the word that there are
// NULLs.
func TestArraysAsTheDriverWritesThem(t *testing.T) {
	at := func(year int, zone *time.Location) pgtype.Timestamp {
		return pgtype.Timestamp{Time: time.Date(year, 2, 3, 4, 5, 6, 123456789, zone), Valid: true}
	}
	driver, ours := pgtype.NewMap(), pgtype.NewMap()
	quickArrays(ours)
	for oid, lists := range map[uint32][]any{
		pgtype.Int8ArrayOID: {[]int64(nil), []int64{}, []int64{0}, []int64{1, -1, 1<<63 - 1, -1 << 63}, []int32{1, 2}, []*int64{nil}},
		pgtype.TextArrayOID: {[]string(nil), []string{}, []string{""}, []string{"a", "é\U0001F600", `"\{},`, strings.Repeat("x", 70000)}},
		pgtype.BoolArrayOID: {[]bool(nil), []bool{}, []bool{true, false, true}},
		pgtype.TimestampArrayOID: {
			[]pgtype.Timestamp{at(2019, time.UTC), at(1, time.UTC), at(1999, time.UTC), at(9999, time.UTC), at(2019, time.FixedZone("", 3600))},
			[]pgtype.Timestamp{{Valid: true, InfinityModifier: pgtype.Infinity}, {Valid: true, InfinityModifier: pgtype.NegativeInfinity}},
			[]pgtype.Timestamp{at(2019, time.UTC), {}},
		},
	} {
		for _, list := range lists {
			for _, format := range []int16{pgtype.BinaryFormatCode, pgtype.TextFormatCode} {
				want, wrong := driver.Encode(oid, format, list, []byte("before"))
				if times, ok := list.([]pgtype.Timestamp); ok && format == pgtype.BinaryFormatCode && !times[len(times)-1].Valid {
					want[len("before")+7] = 0 // that there is a NULL
				}
				got, err := ours.Encode(oid, format, list, []byte("before"))
				if err != nil || wrong != nil || !bytes.Equal(got, want) {
					t.Errorf("%T of %d in format %d is %.100q, %v, want %.100q, %v", list, oid, format, got, err, want, wrong)
				}
			}
		}
		if ours.FormatCodeForOID(oid) != pgtype.BinaryFormatCode {
			t.Errorf("%d is written as text", oid)
		}
	}
}

// Lists of ids are read as the driver reads them, and what is none is refused as it refuses it.
func TestIDsAsTheDriverReadsThem(t *testing.T) {
	driver, ours := pgtype.NewMap(), pgtype.NewMap()
	quickArrays(ours)
	texts := [][]byte{nil, {}, []byte("short"), bytes.Repeat([]byte{0}, 20), bytes.Repeat([]byte{1}, 64)}
	for _, list := range []any{
		[]int64(nil), []int64{}, []int64{0}, []int64{1, -1, 1<<63 - 1, -1 << 63}, []*int64{nil}, []*int64{new(int64), nil},
		pgtype.Array[int64]{Elements: []int64{1, 2, 3, 4}, Dims: []pgtype.ArrayDimension{{Length: 2, LowerBound: 1}, {Length: 2, LowerBound: 1}}, Valid: true},
		pgtype.Array[int64]{Elements: []int64{5, 6}, Dims: []pgtype.ArrayDimension{{Length: 2, LowerBound: 0}}, Valid: true},
	} {
		text, err := driver.Encode(pgtype.Int8ArrayOID, pgtype.BinaryFormatCode, list, nil)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
		if len(text) > 20 {
			texts = append(texts, text[:len(text)-1], append(bytes.Clone(text), 0))
		}
	}
	for _, text := range texts {
		want, got := []int64{7}, []int64{7}
		wrong := driver.Scan(pgtype.Int8ArrayOID, pgtype.BinaryFormatCode, text, &want)
		err := ours.Scan(pgtype.Int8ArrayOID, pgtype.BinaryFormatCode, text, &got)
		if (err == nil) != (wrong == nil) || err == nil && (!slices.Equal(got, want) || (got == nil) != (want == nil)) {
			t.Errorf("%q is read as %d, %v, want %d, %v", text, got, err, want, wrong)
		}
	}
}
