package master

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// writeLists lets a connection write the lists of an upload in one go. The driver asks for a plan
// and makes an interface of each of their 25,000 values, which takes longer than all the rest of
// sending them.
func writeLists(_ context.Context, conn *pgx.Conn) error {
	registerLists(conn.TypeMap())
	return nil
}

func registerLists(types *pgtype.Map) {
	for oid, element := range map[uint32]uint32{
		pgtype.Int8ArrayOID: pgtype.Int8OID, pgtype.TextArrayOID: pgtype.TextOID, pgtype.TimestampArrayOID: pgtype.TimestampOID,
	} {
		if known, found := types.TypeForOID(oid); found {
			types.RegisterType(&pgtype.Type{Name: known.Name, OID: oid, Codec: listCodec{known.Codec, element}})
		}
	}
}

// listCodec is the driver's codec of an array, but for the lists that it writes itself.
type listCodec struct {
	pgtype.Codec
	element uint32 // OID
}

func (c listCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		switch value.(type) {
		case []int64:
			return listPlan[int64]{c.element, appendInteger}
		case []string:
			return listPlan[string]{c.element, appendString}
		case []pgtype.Timestamp:
			return listPlan[pgtype.Timestamp]{c.element, appendTimestamp}
		}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

// listPlan writes a list as the binary form of an array: the number of dimensions, whether there
// are NULLs, the type, the length and the first index, and then each value after its length.
type listPlan[T any] struct {
	element uint32
	add     func([]byte, T) []byte
}

func (p listPlan[T]) Encode(value any, b []byte) ([]byte, error) {
	list := value.([]T)
	if list == nil {
		return nil, nil // NULL
	}
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, 0) // the server looks for NULLs itself
	b = binary.BigEndian.AppendUint32(b, p.element)
	b = binary.BigEndian.AppendUint32(b, uint32(len(list)))
	b = binary.BigEndian.AppendUint32(b, 1)
	for _, v := range list {
		b = p.add(b, v)
	}
	return b, nil
}

func appendInteger(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), uint64(v))
}

func appendString(b []byte, v string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
}

// y2k is where PostgreSQL's times begin.
var y2k = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// appendTimestamp writes a time as asTime gives it, or NULL.
func appendTimestamp(b []byte, v pgtype.Timestamp) []byte {
	if !v.Valid {
		return binary.BigEndian.AppendUint32(b, 1<<32-1)
	}
	return appendInteger(b, v.Time.UnixMicro()-y2k)
}
