package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"shardclient/runner/master/admin"
)

type jobList struct {
	masterDatabase
	Shard    string `placeholder:"HOSTNAME" help:"Only jobs of this shard."`
	Open     bool   `help:"Only jobs with an entry that is not complete."`
	Finished bool   `help:"Only jobs whose entries are all complete."`
	Limit    int    `default:"50" help:"List at most this many; 0: all."`
}

// Validate refuses values that make no sense.
func (c *jobList) Validate() error {
	if c.Open && c.Finished {
		return errors.New("--open and --finished: give one of them")
	}
	if c.Limit < 0 {
		return fmt.Errorf("--limit %d: give 0 or more", c.Limit)
	}
	return nil
}

func (c *jobList) Run(ctx context.Context, out output) error {
	filter := admin.JobFilter{Shard: c.Shard, Open: c.Open, Finished: c.Finished, Limit: c.Limit}
	return c.use(ctx, func(a *admin.Admin) error {
		jobs, err := a.Jobs(ctx, filter)
		if err != nil {
			return err
		}
		return c.print(out, jobs, func(w io.Writer) error {
			rows := make([][]string, len(jobs))
			for i, j := range jobs {
				rows[i] = []string{
					strconv.FormatInt(j.ID, 10), j.Name, j.Owner, j.Shard, when(j.CreatedOn), entries(j.Entries),
				}
			}
			return table(w, "ID NAME OWNER SHARD CREATED ENTRIES", rows)
		})
	})
}

// entries returns the number of entries in each status, as in "1 Running, 2 Completed".
func entries(byStatus map[string]int) string {
	var parts []string
	for status, n := range byStatus {
		parts = append(parts, strconv.Itoa(n)+" "+status)
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

type jobAbort struct {
	masterDatabase
	ID   ids    `arg:"Ids of the jobs."`
	User string `placeholder:"LOGIN" help:"Who aborts; default: the operating system's user."`
}

func (c *jobAbort) Run(ctx context.Context, out output) error {
	user, err := actor(c.User)
	if err != nil {
		return err
	}
	return c.use(ctx, func(a *admin.Admin) error {
		jobs, err := a.AbortJobs(ctx, user, c.ID...)
		if err != nil {
			return err
		}
		return c.print(out, jobs, func(w io.Writer) error { return c.printAborted(w, jobs) })
	})
}

// printAborted prints a line for each job that was named, and one line for all of their child jobs.
func (c *jobAbort) printAborted(w io.Writer, jobs []admin.AbortedJob) error {
	children, childEntries := 0, 0
	for _, job := range jobs {
		if !slices.Contains(c.ID, job.ID) {
			children++
			childEntries += job.Entries
			continue
		}
		words := count(int64(job.Entries), "entry") + " aborted"
		if job.Entries == 0 {
			words = "nothing left to abort"
		}
		if _, err := fmt.Fprintf(w, "job %d: %s\n", job.ID, words); err != nil {
			return err
		}
	}
	if children == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s of theirs: %s aborted\n",
		count(int64(children), "job"), count(int64(childEntries), "entry"))
	return err
}
