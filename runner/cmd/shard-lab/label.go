package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"shardclient/runner/master/admin"
)

type labelAdd struct {
	masterDatabase
	Name     []string `arg:"Name, such as board:eve."`
	Platform bool     `help:"Mark them as platforms."`
}

func (c *labelAdd) Run(ctx context.Context, out output) error {
	labels := make([]admin.NewLabel, len(c.Name))
	for i, name := range c.Name {
		labels[i] = admin.NewLabel{Name: name, Platform: c.Platform}
	}
	return c.use(ctx, func(a *admin.Admin) error {
		changes, err := a.AddLabels(ctx, labels...)
		if err != nil {
			return err
		}
		return c.print(out, changes, func(w io.Writer) error { return printChanges(w, "label", changes, nil) })
	})
}

type labelList struct {
	masterDatabase
}

func (c *labelList) Run(ctx context.Context, out output) error {
	return c.use(ctx, func(a *admin.Admin) error {
		labels, err := a.Labels(ctx)
		if err != nil {
			return err
		}
		return c.print(out, labels, func(w io.Writer) error {
			rows := make([][]string, len(labels))
			for i, l := range labels {
				rows[i] = []string{
					strconv.FormatInt(l.ID, 10), l.Name, yes(l.Platform), l.Shard, strconv.FormatInt(l.Hosts, 10),
				}
			}
			return table(w, "ID NAME PLATFORM SHARD HOSTS", rows)
		})
	})
}

// yes returns the cell of a table for a mark: "yes", or nothing.
func yes(marked bool) string {
	if marked {
		return "yes"
	}
	return ""
}

type labelRemove struct {
	masterDatabase
	Name string `arg:"Name of the label."`
}

func (c *labelRemove) Run(ctx context.Context, out output) error {
	return c.use(ctx, func(a *admin.Admin) error {
		if err := a.RemoveLabel(ctx, c.Name); err != nil {
			return err
		}
		return c.print(out, map[string]string{"removed": c.Name}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "label %s: removed\n", line(c.Name))
			return err
		})
	})
}

type labelAttach struct {
	masterDatabase
	Label string   `arg:"Name of the label."`
	Host  []string `arg:"Host names."`
}

func (c *labelAttach) Run(ctx context.Context, out output) error {
	return c.use(ctx, func(a *admin.Admin) error {
		changes, err := a.AttachLabel(ctx, c.Label, c.Host...)
		if err != nil {
			return err
		}
		return c.print(out, changes, func(w io.Writer) error {
			return printChanges(w, "host", changes, map[admin.Outcome]string{
				admin.Changed: "has the label now", admin.Unchanged: "has the label already",
			})
		})
	})
}

type labelDetach struct {
	masterDatabase
	Label string   `arg:"Name of the label."`
	Host  []string `arg:"Host names."`
}

func (c *labelDetach) Run(ctx context.Context, out output) error {
	return c.use(ctx, func(a *admin.Admin) error {
		changes, err := a.DetachLabel(ctx, c.Label, c.Host...)
		if err != nil {
			return err
		}
		return c.print(out, changes, func(w io.Writer) error {
			return printChanges(w, "host", changes, map[admin.Outcome]string{
				admin.Changed: "no longer has the label", admin.Unchanged: "does not have the label",
			})
		})
	})
}
