package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"shardclient/gen/labdb"
	"shardclient/runner/process"
)

// peers measures others that do a part of the same work: the rows of jobs, without anything that
// belongs to them.
func (at *site) peers(ctx context.Context) (err error) {
	jobs := at.Jobs[len(at.Jobs)-1]
	dir, err := os.MkdirTemp("", "shard-bench-")
	if err != nil {
		return fmt.Errorf("make a directory for rows: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, file := makeRows(jobs), filepath.Join(dir, "jobs")
	if err := os.WriteFile(file, copyText(r.jobs), 0o600); err != nil {
		return fmt.Errorf("write rows for psql: %w", err)
	}
	for range at.Rounds {
		driver, err := at.peer(ctx, r, func(db *database) error {
			_, err := db.BenchJobs(ctx, r.jobs)
			return err
		})
		if err != nil {
			return err
		}
		psql, err := at.peer(ctx, r, func(db *database) error { return at.psql(ctx, db, file) })
		if err != nil {
			return err
		}
		at.table.add(row{what: `psql's \copy of the rows of ` + thousands(jobs) + " jobs / pgx.CopyFrom", unit: "ms", informs: true, timed: true,
			samples: []sample{{psql, driver}}})
	}
	return nil
}

// peer measures something in a database that holds only what jobs refer to.
func (at *site) peer(ctx context.Context, r *rows, store func(*database) error) (ms float64, err error) {
	db, err := at.fresh(ctx, at.subject.template)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.drop(ctx)) }()
	if _, err := db.BenchShards(ctx, r.shards); err != nil {
		return 0, err
	}
	began := time.Now()
	err = store(db)
	return since(began), err
}

// psql runs PostgreSQL's own client. Its start counts, as it does for whoever uses it.
func (at *site) psql(ctx context.Context, db *database, file string) error {
	var said bytes.Buffer
	cmd := (&program{path: at.server.Program("psql")}).command("--no-psqlrc", "")
	cmd.Args = append(cmd.Args, "--quiet", "--command", `\copy afe_jobs (`+strings.Join(jobColumns, ", ")+`) from '`+file+`'`, db.url)
	cmd.Stdout, cmd.Stderr = &said, &said
	running, err := process.Start(cmd, syscall.SIGKILL)
	if err == nil {
		err = running.Wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", cmd.Path, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// jobColumns are those that copyText writes.
var jobColumns = []string{
	"id", "owner", "name", "priority", "control_file", "control_type", "created_on", "synch_count", "timeout",
	"run_verify", "email_list", "reboot_before", "reboot_after", "parse_failed_repair", "max_runtime_hrs",
	"max_runtime_mins", "test_retry", "run_reset", "timeout_mins", "shard_id", "require_ssp",
}

// copyText writes rows of jobs in PostgreSQL's text format.
func copyText(jobs []labdb.BenchJobsParams) []byte {
	escape := strings.NewReplacer("\\", `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`)
	null := func(s string) string {
		if s == "null" {
			return `\N`
		}
		return s
	}
	var b bytes.Buffer
	for _, j := range jobs {
		for i, v := range []any{
			j.ID, j.Owner, j.Name, j.Priority, *j.ControlFile, j.ControlType, j.CreatedOn.Time.Format("2006-01-02 15:04:05.000"),
			j.SynchCount, j.Timeout, j.RunVerify, j.EmailList, j.RebootBefore, j.RebootAfter, j.ParseFailedRepair,
			j.MaxRuntimeHrs, j.MaxRuntimeMins, j.TestRetry, j.RunReset, j.TimeoutMins,
		} {
			if i > 0 {
				b.WriteByte('\t')
			}
			_, _ = escape.WriteString(&b, fmt.Sprint(v)) // a buffer takes everything
		}
		fmt.Fprintf(&b, "\t%s\t%s\n", null(orNull(j.ShardID)), null(orNull(j.RequireSsp)))
	}
	return b.Bytes()
}
