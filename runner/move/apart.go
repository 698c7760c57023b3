package move

import (
	"context"
	"fmt"
	"slices"
)

// mostApart is how many entries a refusal names.
const mostApart = 10

// apart refuses to take completions back: no client and no scheduler does that, so an entry that is
// open here and complete in MySQL has ended there, after the import.
func (e *exporting) apart(ctx context.Context, columns []string, rows [][]any, ids []int64) error {
	complete := slices.Index(columns, "complete")
	if complete < 0 {
		return nil // to write the entries will fail, too
	}
	var open, ended []int64
	for i, row := range rows {
		if row[complete] == false {
			open = append(open, ids[i])
		}
	}
	for some := range slices.Chunk(open, batch) {
		found, err := e.source.ids(ctx, statement("complete_there", "{ids}", listed(some)))
		if err != nil {
			return err
		}
		ended = append(ended, found...)
	}
	if len(ended) == 0 {
		return nil
	}
	more := ""
	if len(ended) > mostApart {
		more = fmt.Sprintf(" and %d more", len(ended)-mostApart)
	}
	return &Refusal{
		Cause: "entries that are open here are complete in MySQL: " + listed(ended[:min(len(ended), mostApart)]) + more +
			": somebody has worked there since the import; nothing was changed",
		Remedy: "stop the scheduler and the Python client on MySQL, and find out which of the two has run these entries: " +
			"make them complete here as they are there, or open there as they are here, then start it again",
	}
}
