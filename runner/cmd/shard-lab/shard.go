package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"shardclient/runner/master/admin"
)

type shardAdd struct {
	masterDatabase
	Hostname string   `arg:"Host name that the shard's shard-client is configured with."`
	Label    []string `placeholder:"LABEL" help:"Label whose hosts and jobs go to the shard, such as board:eve. It must exist and not belong to another shard. May be given several times."`
}

func (c *shardAdd) Run(ctx context.Context, out output) error {
	return c.use(ctx, func(a *admin.Admin) error {
		added, err := a.AddShard(ctx, c.Hostname, c.Label...)
		if err != nil {
			return err
		}
		return c.print(out, added, func(w io.Writer) error {
			if err := printChanges(w, "shard", []admin.Change{added.Shard}, nil); err != nil {
				return err
			}
			return printChanges(w, "label", added.Labels, map[admin.Outcome]string{
				admin.Added: "belongs to the shard now", admin.Unchanged: "belongs to the shard already",
			})
		})
	})
}

type shardList struct {
	masterDatabase
}

func (c *shardList) Run(ctx context.Context, out output) error {
	return c.use(ctx, func(a *admin.Admin) error {
		shards, err := a.Shards(ctx)
		if err != nil {
			return err
		}
		return c.print(out, shards, func(w io.Writer) error {
			rows := make([][]string, len(shards))
			for i, s := range shards {
				rows[i] = []string{
					strconv.FormatInt(s.ID, 10), s.Hostname, strings.Join(s.Labels, ","),
					strconv.FormatInt(s.Hosts, 10), strconv.FormatInt(s.OpenJobs, 10), strconv.FormatInt(s.Jobs, 10),
				}
			}
			return table(w, "ID HOSTNAME LABELS HOSTS OPEN_JOBS JOBS", rows)
		})
	})
}

type shardRemove struct {
	masterDatabase
	Hostname string   `arg:"Host name of the shard."`
	Label    []string `placeholder:"LABEL" help:"Take only this label from it, and with it the hosts that carry it."`
}

func (c *shardRemove) Run(ctx context.Context, out output) error {
	return c.use(ctx, func(a *admin.Admin) error {
		if len(c.Label) > 0 {
			return c.removeLabels(ctx, a, out)
		}
		freed, err := a.RemoveShard(ctx, c.Hostname)
		if err != nil {
			return err
		}
		return c.print(out, freed, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "shard %s: removed; without a shard now: %s, %s, %s\n", line(c.Hostname),
				count(freed.Labels, "label"), count(freed.Hosts, "host"), count(freed.Jobs, "job"))
			return err
		})
	})
}

func (c *shardRemove) removeLabels(ctx context.Context, a *admin.Admin, out output) error {
	hosts, err := a.RemoveLabelsFromShard(ctx, c.Hostname, c.Label...)
	if err != nil {
		return err
	}
	return c.print(out, map[string]int64{"hosts": hosts}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "shard %s: without %s now; without a shard now: %s\n", line(c.Hostname),
			line(strings.Join(c.Label, ", ")), count(hosts, "host"))
		return err
	})
}

// count returns a number of things in words, such as "2 entries".
func count(n int64, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(thing, "y"))
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
