// Package bench measures shard-client against floors: what PostgreSQL itself needs for the same
// rows. It prints a table with an aim and a limit for each figure.
//
// It owns the load, the floors and the verdicts. The subject is a built shard-client, which talks
// to a stub master over HTTP and to a private PostgreSQL that keeps its promises about the disk.
// What goes through the wire, and so what is stored, is the same in every run.
//
// # A round
//
// Subject and floor take turns within one round, and go first in turns, so that a machine that is
// slow for a while is slow for both. What is judged is the ratio of a round, and of all rounds the
// lower quartile: see [LimitError].
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"
)

const (
	shardHostname = "shard1.example"

	// oftener is how many times the rounds of others those have that are soon over: of 12 ms a
	// neighbour on the machine takes as much as of a second, so five ratios were from 1.2 to 3.7.
	oftener = 3
)

// Bench is one run.
type Bench struct {
	Client string // path of the shard-client that is measured
	Base   string // path of another build, which is measured beside it; "": none
	Lab    string // path of shard-lab, for the reference master
	Jobs   []int  // sizes of answers, in jobs
	Rounds int
	// Finished is how many finished jobs lie beside the open ones where idle beats are measured.
	Finished int64
	Beats    int      // how many idle beats must not make a client grow
	Quick    bool     // judge only what does not depend on the speed of the machine
	Only     []string // measure only these; none: all
	Report   string   // directory for the table as Markdown and for plots; "": none
	Out      io.Writer
	Logger   *slog.Logger // for the private PostgreSQL
}

// section measures some rows of the table.
type section struct {
	name    string
	quick   bool // it has something to say that does not depend on the speed of the machine
	measure func(*site, context.Context) error
}

var sections = []section{
	{"apply", true, (*site).apply},
	{"memory", true, (*site).memory},
	{"idle", true, (*site).idle},
	{"pack", false, (*site).pack},
	{"backlog", false, (*site).backlog},
	{"wait", false, (*site).wait},
	{"master", false, (*site).master},
	{"peers", false, (*site).peers},
	{"growth", false, (*site).growth},
}

// Sections returns the names of what can be measured.
func Sections() []string {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}

// Run measures and prints the table. It returns a [*LimitError] when a row is beyond its limit.
func (b *Bench) Run(ctx context.Context) (err error) {
	at, err := b.open(ctx, settings)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, at.close()) }()
	for _, s := range sections {
		if wanted := slices.Contains(b.Only, s.name); !wanted && (len(b.Only) > 0 || b.Quick && !s.quick) {
			continue
		}
		began := time.Now()
		if err := s.measure(at, ctx); err != nil {
			return fmt.Errorf("bench: %s: %w", s.name, err)
		}
		b.printf("measured %s in %s\n", s.name, time.Since(began).Round(100*time.Millisecond))
	}
	at.table.print(b.Out, b.Quick)
	if err := at.report(ctx); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return at.table.judge(b.Quick)
}

// printf prints to Out. When the output is gone, so are its readers.
func (b *Bench) printf(format string, args ...any) { _, _ = fmt.Fprintf(b.Out, format, args...) }
