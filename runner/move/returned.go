package move

import (
	"fmt"
	"strings"
)

// Returned says what an export did, or would do.
type Returned struct {
	Outcome     string       `json:"outcome"` // exported or dry_run
	Tables      []ReturnedOf `json:"tables"`
	WaitingJobs []int64      `json:"waiting_jobs"` // for their upload, by the old client
	// Shortened counts rows that MySQL did not store as they are here: a text that is too long, or
	// has characters that the table has none of.
	Shortened int64    `json:"shortened"`
	Others    []string `json:"others"` // who else was connected
}

// ReturnedOf counts the rows of a table.
type ReturnedOf struct {
	Table    string `json:"table"`
	Inserted int64  `json:"inserted"`
	Updated  int64  `json:"updated"` // rows that were not as they are here
}

// Text writes the report for people.
func (r *Returned) Text() string {
	var b strings.Builder
	if r.Outcome == "dry_run" {
		b.WriteString("dry run: all was tried in a transaction that was rolled back; nothing is changed\n\n")
	}
	fmt.Fprintf(&b, "%-34s %10s %10s\n", "TABLE", "INSERTED", "UPDATED")
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "%-34s %10d %10d\n", t.Table, t.Inserted, t.Updated)
	}
	if r.Shortened > 0 {
		fmt.Fprintf(&b, "\nMySQL shortened, or wrote in other characters, values of %d rows\n", r.Shortened)
	}
	fmt.Fprintf(&b, "\nwaiting for upload (%d): %s\n", len(r.WaitingJobs), first(r.WaitingJobs))
	return b.String() + beside(r.Others)
}
