package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"shardclient/runner/master/admin"
)

type hostAdd struct {
	masterDatabase
	Hostname  []string `arg:"Host names."`
	Label     []string `placeholder:"LABEL" help:"Label of each host; it must exist."`
	ACL       []string `name:"acl" placeholder:"GROUP" help:"ACL group of each host; it must exist. Default: Everyone."`
	Attribute keyvals  `placeholder:"NAME=VALUE" help:"Attribute of each host."`
	Leased    bool     `help:"As in an AFE: no shard gets them before host release, or a scheduler --hostless on this database, releases them."`
}

func (c *hostAdd) Run(ctx context.Context, out output) error {
	hosts := make([]admin.NewHost, len(c.Hostname))
	for i, hostname := range c.Hostname {
		hosts[i] = admin.NewHost{Hostname: hostname, Labels: c.Label, ACLGroups: c.ACL, Attributes: c.Attribute, Leased: c.Leased}
	}
	return c.use(ctx, func(a *admin.Admin) error {
		changes, err := a.AddHosts(ctx, hosts...)
		if err != nil {
			return err
		}
		return c.print(out, changes, func(w io.Writer) error {
			return printChanges(w, "host", changes, map[admin.Outcome]string{
				admin.Unchanged: "is there already, and left alone; see label attach",
			})
		})
	})
}

type hostList struct {
	masterDatabase
}

func (c *hostList) Run(ctx context.Context, out output) error {
	return c.use(ctx, func(a *admin.Admin) error {
		hosts, err := a.Hosts(ctx)
		if err != nil {
			return err
		}
		return c.print(out, hosts, func(w io.Writer) error {
			rows := make([][]string, len(hosts))
			for i, h := range hosts {
				rows[i] = []string{
					strconv.FormatInt(h.ID, 10), h.Hostname, h.Status, h.LockedBy, h.Shard,
					strings.Join(h.Labels, ","), strings.Join(h.ACLGroups, ","),
				}
			}
			return table(w, "ID HOSTNAME STATUS LOCKED_BY SHARD LABELS ACL_GROUPS", rows)
		})
	})
}

type hostLock struct {
	masterDatabase
	Hostname []string `arg:"Host names."`
	Reason   string   `required:"yes" placeholder:"TEXT" help:"Why the hosts are locked."`
	User     string   `placeholder:"LOGIN" help:"Who locks; default: the operating system's user."`
}

func (c *hostLock) Run(ctx context.Context, out output) error {
	user, err := actor(c.User)
	if err != nil {
		return err
	}
	return c.use(ctx, func(a *admin.Admin) error {
		hosts, err := a.LockHosts(ctx, user, c.Reason, c.Hostname...)
		if err != nil {
			return err
		}
		return c.print(out, hosts, func(w io.Writer) error {
			return printLocked(w, hosts, "locked", "is locked already")
		})
	})
}

type hostUnlock struct {
	masterDatabase
	Hostname []string `arg:"Host names."`
}

func (c *hostUnlock) Run(ctx context.Context, out output) error {
	return c.use(ctx, func(a *admin.Admin) error {
		hosts, err := a.UnlockHosts(ctx, c.Hostname...)
		if err != nil {
			return err
		}
		return c.print(out, hosts, func(w io.Writer) error {
			return printLocked(w, hosts, "unlocked", "is not locked")
		})
	})
}

// printLocked also says when a shard does not learn of the lock: heartbeats send a host only once.
func printLocked(w io.Writer, hosts []admin.LockedHost, changed, unchanged string) error {
	for _, host := range hosts {
		words := unchanged
		if host.Outcome == admin.Changed {
			words = changed
		}
		if host.LockedBy != "" && host.LockTime != nil {
			words += fmt.Sprintf(" by %s since %s: %s", line(host.LockedBy), when(*host.LockTime), line(host.LockReason))
		}
		if host.Outcome == admin.Changed && host.Shard != "" {
			words += fmt.Sprintf("; shard %s has the host and is not told", line(host.Shard))
		}
		if _, err := fmt.Fprintf(w, "host %s (id %d): %s\n", line(host.Name), host.ID, words); err != nil {
			return err
		}
	}
	return nil
}

type hostLease struct {
	masterDatabase
	Hostname []string `arg:"Host names."`
}

func (c *hostLease) Run(ctx context.Context, out output) error {
	return c.lease(ctx, out, true, c.Hostname)
}

type hostRelease struct {
	masterDatabase
	Hostname []string `arg:"Host names."`
}

func (c *hostRelease) Run(ctx context.Context, out output) error {
	return c.lease(ctx, out, false, c.Hostname)
}

func (m *masterDatabase) lease(ctx context.Context, out output, leased bool, hostnames []string) error {
	words := map[admin.Outcome]string{admin.Changed: "released", admin.Unchanged: "is not leased"}
	if leased {
		words = map[admin.Outcome]string{admin.Changed: "leased", admin.Unchanged: "is leased already"}
	}
	return m.use(ctx, func(a *admin.Admin) error {
		changes, err := a.LeaseHosts(ctx, leased, hostnames...)
		if err != nil {
			return err
		}
		return m.print(out, changes, func(w io.Writer) error { return printChanges(w, "host", changes, words) })
	})
}

type hostMove struct {
	masterDatabase
	Hostname []string `arg:"Host names."`
	To       string   `required:"yes" placeholder:"LABEL" help:"The new board: label; it replaces all others that begin with board:."`
}

func (c *hostMove) Run(ctx context.Context, out output) error {
	return c.use(ctx, func(a *admin.Admin) error {
		changes, err := a.MoveHosts(ctx, c.To, c.Hostname...)
		if err != nil {
			return err
		}
		return c.print(out, changes, func(w io.Writer) error {
			return printChanges(w, "host", changes, map[admin.Outcome]string{
				admin.Changed: "moved to " + line(c.To), admin.Unchanged: "has no other board already",
			})
		})
	})
}

type hostRemove struct {
	masterDatabase
	Hostname []string `arg:"Host names."`
	User     string   `placeholder:"LOGIN" help:"Who aborts their entries; default: the operating system's user."`
}

func (c *hostRemove) Run(ctx context.Context, out output) error {
	user, err := actor(c.User)
	if err != nil {
		return err
	}
	return c.use(ctx, func(a *admin.Admin) error {
		removed, err := a.RemoveHosts(ctx, user, c.Hostname...)
		if err != nil {
			return err
		}
		return c.print(out, removed, func(w io.Writer) error {
			if err := printChanges(w, "host", removed.Hosts, nil); err != nil {
				return err
			}
			_, err := fmt.Fprintf(w, "aborted: %s\n", count(removed.Aborted, "entry"))
			return err
		})
	})
}
