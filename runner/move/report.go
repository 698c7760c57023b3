package move

import (
	"fmt"
	"slices"
	"strings"

	"shardclient/runner/plain"
)

// Report says what an import did, or would do.
type Report struct {
	Outcome string  `json:"outcome"` // imported, dry_run or already_here
	Tables  []Moved `json:"tables"`
	// Repairs are all rows that PostgreSQL's tables do not take as they are, counted by kind.
	Repairs []Kind `json:"repairs"`
	// Stays are tables and columns of MySQL that have no place here, or that nobody needs.
	Stays []string `json:"stays"`

	WaitingJobs  []int64  `json:"waiting_jobs"`  // for their upload
	HalfUploaded int64    `json:"half_uploaded"` // jobs with a row in the ledger
	KnownJobs    []int64  `json:"known_jobs"`    // of the next packet
	KnownHosts   []int64  `json:"known_hosts"`
	Checks       []string `json:"checks"` // what was proven before the commit
	Others       []string `json:"others"` // who else was connected
}

// Moved counts the rows of a table.
type Moved struct {
	Table   string `json:"table"`
	Read    int64  `json:"read"`
	Stored  int64  `json:"stored"`
	LeftOut int64  `json:"left_out"`
}

// Kind is a kind of repair with its cases.
type Kind struct {
	Table  string   `json:"table"`
	Column string   `json:"column"`
	What   string   `json:"what"`
	Count  int64    `json:"count"`
	Cases  []Repair `json:"cases"` // at most mostCases
}

// Repair is one value that was changed, or one row that was left out.
type Repair struct {
	Row string  `json:"row"`
	Was *string `json:"was"` // null: NULL
	Is  *string `json:"is"`
}

// mostCases is how many repairs of a kind are listed: a column that is NULL in all rows has one for
// each job of a shard.
const mostCases = 10_000

func (r *Report) repaired(t *table, columnName, what, row string, was, is *string) {
	i := slices.IndexFunc(r.Repairs, func(k Kind) bool { return k.Table == t.name && k.Column == columnName && k.What == what })
	if i < 0 {
		i = len(r.Repairs)
		r.Repairs = append(r.Repairs, Kind{Table: t.name, Column: columnName, What: what, Cases: []Repair{}})
	}
	k := &r.Repairs[i]
	if k.Count++; len(k.Cases) < mostCases {
		k.Cases = append(k.Cases, Repair{Row: row, Was: was, Is: is})
	}
}

// Shown is how many cases of a repair, and how many tables that stay, a text lists.
const shown = 20

func value(text *string) string {
	if text == nil {
		return "NULL"
	}
	return "'" + plain.Line(*text, 80) + "'"
}

// Text writes the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	switch r.Outcome {
	case "already_here":
		return "everything of this MySQL is here already; nothing was changed\n" + beside(r.Others)
	case "dry_run":
		b.WriteString("dry run: all was tried in a transaction that was rolled back; nothing is changed\n\n")
	}
	fmt.Fprintf(&b, "%-34s %10s %10s %10s\n", "TABLE", "READ", "STORED", "LEFT OUT")
	for _, m := range r.Tables {
		fmt.Fprintf(&b, "%-34s %10d %10d %10d\n", m.Table, m.Read, m.Stored, m.LeftOut)
	}
	total := int64(0)
	for _, k := range r.Repairs {
		total += k.Count
	}
	fmt.Fprintf(&b, "\nrepairs: %d\n", total)
	for _, k := range r.Repairs {
		fmt.Fprintf(&b, "  %s.%s: %s: %d\n", k.Table, k.Column, k.What, k.Count)
		for i, c := range k.Cases {
			if i == shown {
				fmt.Fprintf(&b, "    ... and %d more; --output json lists them\n", k.Count-shown)
				break
			}
			fmt.Fprintf(&b, "    %s: %s -> %s\n", c.Row, value(c.Was), value(c.Is))
		}
	}
	if len(r.Stays) > 0 {
		fmt.Fprintf(&b, "\nstays behind:\n")
		for _, s := range r.Stays {
			fmt.Fprintf(&b, "  %s\n", s)
		}
	}
	b.WriteString("\nchecked:\n")
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "  %s\n", c)
	}
	fmt.Fprintf(&b, "\nhalf uploaded, noted in the ledger: %d\n", r.HalfUploaded)
	fmt.Fprintf(&b, "waiting for upload (%d): %s\n", len(r.WaitingJobs), first(r.WaitingJobs))
	b.WriteString("compare with the old client's last request:\n")
	fmt.Fprintf(&b, "known_job_ids (%d): %s\nknown_host_ids (%d): %s\n",
		len(r.KnownJobs), first(r.KnownJobs), len(r.KnownHosts), first(r.KnownHosts))
	return b.String() + beside(r.Others)
}

// beside names who else was connected: a move sees the databases as they were when it began.
func beside(others []string) string {
	if len(others) == 0 {
		return ""
	}
	return "\nconnected meanwhile: " + plain.Line(strings.Join(others, "; "), 500) + "\n" +
		"  see that no client and no scheduler is among them: what they write now is in one database only\n"
}

// first lists as many ids as the Python client logs.
func first(ids []int64) string {
	const most = 100
	if len(ids) <= most {
		return listed(ids)
	}
	return fmt.Sprintf("%s and %d more; --output json lists them", listed(ids[:most]), len(ids)-most)
}
