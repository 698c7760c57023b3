package simulation

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

const (
	// saturated is the share of the offered heartbeats that the masters must serve to count as
	// keeping up.
	saturated = 0.95

	// busyShare of the cores of this machine in use, or waitedShare of the heartbeats that waited
	// for a connection, are what saturation looks like.
	busyShare, waitedShare = 0.8, 0.25
)

// rates are the figures that the table shows, computed from a result.
type rates struct {
	offered, achieved                   float64 // heartbeats a second
	masterCPU, databaseCPU, databaseMS  float64 // ms a heartbeat
	statements, rowsReturned, rowsWrote float64 // a heartbeat
	waited                              int64   // heartbeats
	masterCores, databaseCores, ownCore float64 // cores in use
}

func (r *result) rates() rates {
	seconds := r.elapsed.Seconds()
	beats := float64(len(r.latencies))
	counts := sum(r.to.masters, r.from.masters, -1)
	served := max(float64(counts.Heartbeats), 1)
	database := r.to.database - r.from.database
	return rates{
		offered:       float64(r.site.Shards) / r.site.Pause.Seconds(),
		achieved:      beats / seconds,
		masterCPU:     counts.CPUMS / served,
		databaseCPU:   float64(database.Microseconds()) / 1000 / served,
		databaseMS:    counts.DatabaseMS / served,
		statements:    float64(counts.Statements) / served,
		rowsReturned:  float64(counts.RowsReturned) / served,
		rowsWrote:     float64(counts.RowsAffected) / served,
		waited:        counts.ConnectionsWaited,
		masterCores:   counts.CPUMS / 1000 / seconds,
		databaseCores: database.Seconds() / seconds,
		ownCore:       (r.to.own - r.from.own).Seconds() / seconds,
	}
}

// print writes the table. CPU times are those of whole processes. The latency of a heartbeat is the
// one that its client sees, which includes the way there and back.
func (r *result) print(out io.Writer) {
	x := r.rates()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("heartbeats", "%d in %s, %d failed", len(r.latencies), r.elapsed.Round(100*time.Millisecond), r.failed)
	row("heartbeats per second", "%.1f of %.1f offered", x.achieved, x.offered)
	row("latency p50, p95, p99", "%s, %s, %s", r.percentile(50), r.percentile(95), r.percentile(99))
	row("statements per heartbeat", "%.1f", x.statements)
	row("rows per heartbeat", "%.1f read, %.1f written", x.rowsReturned, x.rowsWrote)
	row("master CPU", "%.2f ms per heartbeat, %.2f of %.0f cores", x.masterCPU, x.masterCores, cores())
	row("database CPU", "%.2f ms per heartbeat, %.2f of %.0f cores", x.databaseCPU, x.databaseCores, cores())
	row("waited for a connection", "%d heartbeats", x.waited)
	row("database time", "%.2f ms per heartbeat", x.databaseMS)
	row("the simulation itself", "%.2f of %.0f cores", x.ownCore, cores())
	name, text, ceiling := r.limit(x)
	row(name, "%s", text)
	row("first to reach it", "%s", ceiling)
	_ = table.Flush() // when the output is gone, so are its readers
	if r.lastError != nil {
		_, _ = fmt.Fprintf(out, "last failure: %v\n", r.lastError)
	}
}

func (r *result) percentile(p int) time.Duration {
	index := min(len(r.latencies)*p/100, len(r.latencies)-1)
	return r.latencies[index].Round(100 * time.Microsecond)
}

// reached reports whether something was saturated: fewer heartbeats were served than offered, and
// the cores, or the connections of the masters, were in use. Otherwise something else was slow, or
// the measurement so short that a few beats are all of the difference.
func (r *result) reached(x rates) bool {
	busy := x.masterCores + x.databaseCores + x.ownCore
	return x.achieved < saturated*x.offered &&
		(busy >= busyShare*cores() || float64(x.waited) >= waitedShare*float64(len(r.latencies)))
}

// limit describes how near its limit the lab is, and what reaches it first, the masters or their
// database: the cost grows with the heartbeats, and a core can serve only a certain number.
func (r *result) limit(x rates) (name, text, ceiling string) {
	busy := fmt.Sprintf("%.1f of %.0f cores busy", x.masterCores+x.databaseCores+x.ownCore, cores())
	first, cost := "the masters", x.masterCPU
	if x.databaseCPU > x.masterCPU {
		first, cost = "the database", x.databaseCPU
	}
	ceiling = fmt.Sprintf("%s, at %.0f heartbeats per second and core", first, 1000/cost)
	if r.reached(x) {
		return "saturation", fmt.Sprintf("reached: %.0f %% of what was offered, %s", 100*x.achieved/x.offered, busy), ceiling
	}
	return "limit", "not reached, " + busy, ceiling
}
