package pg

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
)

// Arrays are written as the driver writes them, byte for byte.
func TestArraysAsTheDriverWritesThem(t *testing.T) {
	driver, ours := pgtype.NewMap(), pgtype.NewMap()
	writeArrays(ours)
	for oid, lists := range map[uint32][]any{
		pgtype.Int8ArrayOID: {[]int64(nil), []int64{}, []int64{0}, []int64{1, -1, 1<<63 - 1, -1 << 63}, []int32{1, 2}, []*int64{nil}},
		pgtype.TextArrayOID: {[]string(nil), []string{}, []string{""}, []string{"a", "é\U0001F600", `"\{},`, strings.Repeat("x", 70000)}},
		pgtype.BoolArrayOID: {[]bool(nil), []bool{}, []bool{true, false, true}},
	} {
		for _, list := range lists {
			for _, format := range []int16{pgtype.BinaryFormatCode, pgtype.TextFormatCode} {
				want, wrong := driver.Encode(oid, format, list, []byte("before"))
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
	var read []int64
	if err := ours.Scan(pgtype.Int8ArrayOID, pgtype.BinaryFormatCode, mustEncode(t, driver, []int64{5, 6}), &read); err != nil || len(read) != 2 {
		t.Errorf("%d, %v", read, err)
	}
}

func mustEncode(t *testing.T, m *pgtype.Map, list []int64) []byte {
	text, err := m.Encode(pgtype.Int8ArrayOID, pgtype.BinaryFormatCode, list, nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
