package shard

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/sessiondb"
	"shardclient/runner/pg"
	"shardclient/runner/plain"
)

// finishedJob is a job that waits for its upload.
type finishedJob struct {
	id      int64
	records []*record // its own, and those of its entries by their ids
	bytes   int64     // of its texts, and of its records once they are read
	digest  int64     // of what the packet says about it
}

func jobIDs(jobs []*finishedJob) (ids []int64) {
	for _, job := range jobs {
		ids = append(ids, job.id)
	}
	return ids
}

func digests(jobs []*finishedJob) (all []int64) {
	for _, job := range jobs {
		all = append(all, job.digest)
	}
	return all
}

// record is a row as it goes up.
type record struct {
	job, id, version int64
	complete         bool
	whole            jsontext.Value // the row, as the views of the upload have it
	text             jsontext.Value // what travels: whole, but for what the master could not take
}

// choose returns the jobs that go into a packet, of those that may go: the ones with the lowest
// ids, at most so many, as long as they fit into space together. A job that does not fit by itself
// is large: it goes alone, and takes turns with the others and with other large jobs, so that it
// blocks nobody and nobody blocks it. Of these it returns the next one after the last that went.
func choose(jobs []*finishedJob, space int64, most int, last int64) (fit, large []*finishedJob) {
	left := space
	for _, job := range jobs {
		switch {
		case job.bytes > space:
			if large == nil || large[0].id <= last && job.id > last {
				large = []*finishedJob{job}
			}
		case len(fit) < most && job.bytes <= left:
			left -= job.bytes
			fit = append(fit, job)
		default:
			most = 0 // no other one overtakes it
		}
	}
	return fit, large
}

// readRecords returns what reads the records of jobs and of their entries.
func readRecords(ctx context.Context, jobs []*finishedJob) (asks []pg.Ask) {
	if len(jobs) == 0 {
		return nil
	}
	ids, byID := jobIDs(jobs), make(map[int64]*finishedJob, len(jobs))
	for _, job := range jobs {
		byID[job.id], job.bytes = job, 0
	}
	for _, statement := range []string{sessiondb.RecordsOfJobs, sessiondb.RecordsOfEntries} {
		asks = append(asks, func(db pg.DB) error {
			rows, err := db.Query(ctx, statement, ids)
			if err != nil {
				return err
			}
			defer rows.Close()
			var line []byte
			for rows.Next() {
				var r *record
				r, line = newRecord(rows, line[:0])
				job := byID[r.job]
				job.records, job.bytes = append(job.records, r), job.bytes+int64(len(r.text))+1
			}
			for _, job := range jobs {
				slices.SortFunc(job.records[min(1, len(job.records)):], func(a, b *record) int { return cmp.Compare(a.id, b.id) })
			}
			return rows.Err()
		})
	}
	return asks
}

// newRecord makes JSON of a row, as row_to_json does. A master that is the original answers 500 to
// a request with any character outside ASCII, escaped or not, so such a field is left out, and
// keeps its value there. A null is a value and is sent. The line is written to, so that a record
// takes no more memory than it needs, and returned for the next one.
func newRecord(row pgx.Rows, line []byte) (*record, []byte) {
	const lead = 4 // columns that do not go up
	columns, values := row.FieldDescriptions(), row.RawValues()
	r := &record{
		job: integer(values[0]), version: int64(binary.BigEndian.Uint32(values[1])), complete: values[2][0] != 0, id: integer(values[lead]),
	}
	taken, cuts := values[3][0] != 0, []int(nil)
	for i, value := range values[lead:] {
		column, before := &columns[lead+i], len(line)
		line = append(append(append(line, `,"`...), column.Name...), `":`...)
		leftOut := taken && column.Name == "host_id"
		switch {
		case value == nil:
			line = append(line, "null"...)
		case column.DataTypeOID == pgtype.BoolOID:
			line = strconv.AppendBool(line, value[0] != 0)
		case column.DataTypeOID == pgtype.Int8OID:
			line = strconv.AppendInt(line, integer(value), 10)
		case column.DataTypeOID == pgtype.TimestampOID:
			line = appendTime(line, integer(value))
		default:
			line, _ = jsontext.AppendQuote(line, value) // a session of ours speaks UTF-8
			leftOut = !plain.IsASCII(value)
		}
		if leftOut {
			cuts = append(cuts, before, len(line))
		}
	}
	line[0] = '{'
	line = append(line, '}')
	r.whole = bytes.Clone(line)
	r.text = r.whole
	for i := len(cuts) - 2; i >= 0; i -= 2 {
		r.text = slices.Concat(r.text[:cuts[i]], r.text[cuts[i+1]:])
	}
	return r, line
}

// appendTime appends a time of PostgreSQL, in microseconds, as shard_client_wire_time writes it:
// with thousandths of a second if there are any. What Python has no time for is null.
func appendTime(line []byte, micros int64) []byte {
	const begin, end, zero = -63_082_281_600_000_000, 252_455_616_000_000_000, 946_684_800_000_000
	if micros < begin || micros >= end {
		return append(line, "null"...)
	}
	at := time.UnixMicro(micros + zero).UTC()
	// RFC 3339 is the one layout that the library does not read each time.
	line = at.AppendFormat(append(line, '"'), time.RFC3339)
	line = line[:len(line)-len("Z")]
	if micros%1_000_000 != 0 {
		line = at.AppendFormat(line, ".000")
	}
	return append(line, '"')
}

func integer(value []byte) int64 { return int64(binary.BigEndian.Uint64(value)) }

// changedSince returns those of some locked jobs that do not read as they were sent.
func changedSince(ctx context.Context, db pg.DB, was []*finishedJob) (changed map[int64]bool, err error) {
	now := make([]*finishedJob, len(was))
	for i, job := range was {
		now[i] = &finishedJob{id: job.id}
	}
	for _, ask := range readRecords(ctx, now) {
		if err := ask(db); err != nil {
			return nil, err
		}
	}
	changed = make(map[int64]bool, len(was))
	for i, job := range was {
		changed[job.id] = !slices.EqualFunc(job.records, now[i].records, sameRow)
	}
	return changed, nil
}

func sameRow(a, b *record) bool { return bytes.Equal(a.whole, b.whole) }
