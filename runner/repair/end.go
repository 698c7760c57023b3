package repair

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"text/tabwriter"

	"shardclient/runner/plain"
)

// sessionsCommand lists who is connected to the database.
type sessionsCommand struct{}

func (c *sessionsCommand) Run(ctx context.Context, d *Desk) error {
	pool, err := d.Sessions(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	list, err := Sessions(ctx, pool)
	if err != nil {
		return err
	}
	if d.JSON {
		return json.NewEncoder(d.Stdout).Encode(list)
	}
	if len(list) == 0 {
		fmt.Fprintln(d.Stdout, "nobody else is connected to this database")
		return nil
	}
	table := tabwriter.NewWriter(d.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PID\tROLE\tAPPLICATION\tADDRESS\tSTATE\tHOLDS\tQUERY")
	for i := range list {
		s := &list[i]
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", s.PID, plain.Line(s.Role, shownMost), cmp.Or(plain.Line(s.Application, shownMost), "-"),
			cmp.Or(s.Address, "-"), cmp.Or(s.State, "-"), cmp.Or(s.Holds(), "-"), plain.Line(s.Query, shownMost))
	}
	return table.Flush()
}

// shownMost is how many bytes of what others write a table shows.
const shownMost = 60

type endCommand struct {
	PID string `arg:"The pid of the session, as the list shows it."`
	consent
}

func (c *endCommand) Help() string {
	return `What the session has not committed is rolled back. A program that has lost its session usually opens another one: shard-client does, and takes the lock again unless another client was faster. It takes the role of that session, or pg_signal_backend.`
}

func (c *endCommand) Validate() error {
	if _, err := strconv.ParseInt(c.PID, 10, 32); err != nil {
		return fmt.Errorf("%q is no pid: want a number", c.PID)
	}
	return nil
}

func (c *endCommand) Run(ctx context.Context, d *Desk) error {
	pool, err := d.Sessions(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	pid, err := strconv.ParseInt(c.PID, 10, 32)
	if err != nil {
		return err
	}
	s, err := FindSession(ctx, pool, int32(pid))
	if err != nil {
		return err
	}
	about := fmt.Sprintf("session %d of %s (%s)", s.PID, plain.Line(s.Role, shownMost), cmp.Or(plain.Line(s.Application, shownMost), "of no name"))
	if holds := s.Holds(); holds != "" {
		about += ", which holds " + holds
	}
	if err := d.confirm(ctx, c.consent, "End "+about+"?"); err != nil {
		return err
	}
	if err := EndSession(ctx, pool, s); err != nil {
		return err
	}
	fmt.Fprintf(d.Stdout, "ended %s\n", about)
	return nil
}
