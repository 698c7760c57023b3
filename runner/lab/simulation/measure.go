package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"syscall"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/lab/converge"
	"shardclient/runner/lab/usage"
	"shardclient/runner/master"
)

const (
	// warmLimit, plus two pauses, is how long the first beats of all shards may take, in which each
	// receives all its hosts and jobs.
	warmLimit = 5 * time.Minute

	// settle, plus three pauses, is how long both sides may take to agree after the last job has
	// finished. It is long because masters that did not keep up have a queue to work off.
	settle = 5 * time.Minute

	// look is the time between two looks at how many shards have received their jobs.
	look = 100 * time.Millisecond
)

// sample is how much has been used and done up to a moment.
type sample struct {
	at       time.Time
	masters  master.Counts // of all processes together
	database time.Duration // CPU of the masters' PostgreSQL
	own      time.Duration // CPU of this process and of the shards' PostgreSQL
}

// result holds what a simulation measured between two samples.
type result struct {
	site      *site
	elapsed   time.Duration
	from, to  sample
	latencies []time.Duration // sorted
	failed    int
	lastError error
}

// warm waits until every shard has received its hosts and jobs.
func (at *site) warm(ctx context.Context, c *clients) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, warmLimit+2*at.Pause)
	defer cancel()
	for int(c.received.Load()) < len(at.shards) {
		if err := sleep(ctx, look); err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			return fmt.Errorf("simulate: %d of %d shards have received their jobs after %s: %w (last failure: %v)",
				c.received.Load(), len(at.shards), time.Since(began).Round(time.Second), err, c.lastError)
		}
	}
	at.printf("all shards have received their hosts and jobs after %s\n",
		time.Since(began).Round(100*time.Millisecond))
	c.working.Store(true)
	return sleep(ctx, at.Pause) // a shard's second beat still differs from all later ones
}

func (at *site) measure(ctx context.Context, c *clients) (*result, error) {
	from, err := at.sample(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.measuring, c.failed, c.lastError = true, 0, nil
	c.mu.Unlock()
	if err := at.busy(ctx, c); err != nil {
		return nil, err
	}
	c.mu.Lock()
	r := &result{site: at, from: from, latencies: c.latencies, failed: c.failed, lastError: c.lastError}
	c.measuring = false
	c.mu.Unlock()
	if r.to, err = at.sample(ctx); err != nil {
		return nil, err
	}
	r.elapsed = r.to.at.Sub(from.at)
	slices.Sort(r.latencies)
	if len(r.latencies) == 0 {
		return nil, fmt.Errorf("simulate: no beat has ended within %s; the last failure: %v",
			r.elapsed.Round(time.Second), r.lastError)
	}
	return r, nil
}

// busy is the time that is measured: what was asked for, and longer on a machine that has not even
// ended a beat and some jobs by then.
func (at *site) busy(ctx context.Context, c *clients) error {
	if err := sleep(ctx, at.Duration); err != nil {
		return err
	}
	longer, cancel := context.WithTimeout(ctx, warmLimit)
	defer cancel()
	for !c.measured() && longer.Err() == nil {
		if err := sleep(longer, look); err != nil && ctx.Err() != nil {
			return err
		}
	}
	return nil
}

func (at *site) sample(ctx context.Context) (s sample, err error) {
	s.at = time.Now()
	for _, address := range at.masterURLs {
		counts, err := stats(ctx, address+master.StatsPath)
		if err != nil {
			return s, err
		}
		s.masters = sum(s.masters, counts, 1)
	}
	if s.database, err = usage.OfServer(at.masterServer.PID()); err != nil {
		return s, err
	}
	shards, err := usage.OfServer(at.shardServer.PID())
	if err != nil {
		return s, err
	}
	var self syscall.Rusage
	err = syscall.Getrusage(syscall.RUSAGE_SELF, &self)
	s.own = shards + time.Duration(self.Utime.Nano()+self.Stime.Nano())
	return s, err
}

func stats(ctx context.Context, address string) (counts master.Counts, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return counts, err
	}
	request.Close = true // a simulation makes two calls, which are not worth an open connection
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return counts, fmt.Errorf("ask the master for its counts: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if err := json.NewDecoder(response.Body).Decode(&counts); err != nil {
		return counts, fmt.Errorf("read the master's counts at %s: %w", address, err)
	}
	return counts, nil
}

// sum returns a + sign*b, for the counts that the table shows. sign is 1 or -1.
func sum(a, b master.Counts, sign int64) master.Counts {
	return master.Counts{
		Heartbeats:        a.Heartbeats + sign*b.Heartbeats,
		Failed:            a.Failed + sign*b.Failed,
		Statements:        a.Statements + sign*b.Statements,
		RowsReturned:      a.RowsReturned + sign*b.RowsReturned,
		RowsAffected:      a.RowsAffected + sign*b.RowsAffected,
		DatabaseMS:        a.DatabaseMS + float64(sign)*b.DatabaseMS,
		CPUMS:             a.CPUMS + float64(sign)*b.CPUMS,
		ConnectionsWaited: a.ConnectionsWaited + sign*b.ConnectionsWaited,
	}
}

// converge waits until both sides agree. When they do not within settle and three pauses, the
// report shows the differences.
func (at *site) converge(ctx context.Context) (*converge.Report, error) {
	limited, cancel := context.WithTimeout(ctx, settle+3*at.Pause)
	defer cancel()
	var shards []converge.Shard
	for _, one := range at.shards {
		shards = append(shards, converge.Shard{Hostname: one.hostname, DB: one.pool})
	}
	for {
		report, err := converge.Check(ctx, at.masterDB, shards, afe.Protocol(at.Protocol))
		if err != nil || report.Agree() {
			return report, err
		}
		if err := sleep(limited, min(at.Pause, time.Second)); err != nil {
			return report, ctx.Err()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return errors.Join(ctx.Err(), context.Cause(ctx))
	case <-timer.C:
		return nil
	}
}

// cores returns the number of cores of this machine, which everything shares.
func cores() float64 { return float64(runtime.NumCPU()) }
