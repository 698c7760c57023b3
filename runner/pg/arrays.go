package pg

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// QuickArrays lets a connection write the arrays that statements take by the thousand as they are,
// and read a list of ids. The driver makes an interface of each element and asks how that is
// written, which was most of what it took to ask whether an answer is here already.
func QuickArrays(_ context.Context, conn *pgx.Conn) error {
	quickArrays(conn.TypeMap())
	return nil
}

func quickArrays(m *pgtype.Map) {
	writeArray(m, "_int8", appendInt8)
	writeArray(m, "_text", appendText)
	writeArray(m, "_bool", appendBool)
	writeArray(m, "_timestamp", appendTimestamp)
}

// null is the length of a value that is none.
const null = math.MaxUint32

func appendInt8(buf []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(buf, 8), uint64(n))
}

func appendText(buf []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(buf, uint32(len(s))), s...)
}

func appendBool(buf []byte, b bool) []byte {
	if b {
		return append(buf, 0, 0, 0, 1, 1)
	}
	return append(buf, 0, 0, 0, 1, 0)
}

func appendTimestamp(buf []byte, t pgtype.Timestamp) []byte {
	switch {
	case !t.Valid:
		return binary.BigEndian.AppendUint32(buf, null)
	case t.InfinityModifier == pgtype.Infinity:
		return appendInt8(buf, math.MaxInt64)
	case t.InfinityModifier == pgtype.NegativeInfinity:
		return appendInt8(buf, math.MinInt64)
	}
	_, zone := t.Time.Zone() // what the clock shows is written
	return appendInt8(buf, t.Time.UnixMicro()+int64(zone)*1_000_000-y2k)
}

// y2k is where PostgreSQL's times begin, in microseconds.
const y2k = 946_684_800_000_000

func writeArray[T any](m *pgtype.Map, name string, write func([]byte, T) []byte) {
	if array, known := m.TypeForName(name); known {
		codec := arrayCodec[T]{array.Codec.(*pgtype.ArrayCodec), write}
		m.RegisterType(&pgtype.Type{Name: name, OID: array.OID, Codec: codec})
	}
}

// shortElement is what most elements need less than, in bytes.
const shortElement = 64

// arrayCodec writes lists of one type by itself, and leaves all else to the driver.
type arrayCodec[T any] struct {
	*pgtype.ArrayCodec
	write func([]byte, T) []byte // an element: its length and its bytes
}

func (c arrayCodec[T]) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ours := value.([]T); ours && format == pgtype.BinaryFormatCode {
		return c
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// Encode writes a list: one dimension, no word of nulls, because the server looks for them by
// itself, the type, how many, from 1, and the elements.
func (c arrayCodec[T]) Encode(value any, buf []byte) ([]byte, error) {
	list := value.([]T)
	for _, n := range []uint32{1, 0, c.ElementType.OID, uint32(len(list)), 1} {
		buf = binary.BigEndian.AppendUint32(buf, n)
	}
	for _, element := range list {
		if cap(buf)-len(buf) < shortElement {
			// By itself it would grow by a quarter, and slices.Grow clears what it takes.
			buf = append(make([]byte, 0, 2*(len(buf)+shortElement)), buf...)
		}
		buf = c.write(buf, element)
	}
	return buf, nil
}

// PlanScan lets a list of ids be read by itself.
func (c arrayCodec[T]) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, ids := target.(*[]int64); ids && format == pgtype.BinaryFormatCode && c.ElementType.OID == pgtype.Int8OID {
		return idsPlan{c.ArrayCodec.PlanScan(m, oid, format, &pgtype.FlatArray[int64]{})}
	}
	return c.ArrayCodec.PlanScan(m, oid, format, target)
}

// idsPlan reads a list of bigint, and leaves what is not one dimension without nulls to the driver.
type idsPlan struct{ driver pgtype.ScanPlan }

func (p idsPlan) Scan(src []byte, target any) error {
	const head, size = 20, 4 + 8 // one dimension, no nulls, the type, how many, from 1; each with its length
	order, list := binary.BigEndian, target.(*[]int64)
	if len(src) <= head || order.Uint64(src) != 1<<32 || uint64(len(src)-head) != size*uint64(order.Uint32(src[12:])) {
		return p.driver.Scan(src, (*pgtype.FlatArray[int64])(list))
	}
	*list = make([]int64, 0, (len(src)-head)/size)
	for at := head + 4; at < len(src); at += size {
		*list = append(*list, int64(order.Uint64(src[at:])))
	}
	return nil
}
