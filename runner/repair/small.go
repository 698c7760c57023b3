package repair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// hostID reads the id of a host.
func hostID(word string) (int64, error) {
	id, err := strconv.ParseInt(word, 10, 64)
	if err != nil || id <= 0 {
		return 0, fmt.Errorf("%q is no id of a host: want a number", word)
	}
	return id, nil
}

type retireCommand struct {
	ID string `arg:"The id of the host."`
	consent
}

func (c *retireCommand) Help() string {
	return `For a host that is valid here and gone on the master, which an answer of a master of 2015 does not say. It becomes invalid, its open entries are aborted, and its name is free for another host, as when the master says that it is not this shard's. The client may run meanwhile.`
}

func (c *retireCommand) Validate() error {
	_, err := hostID(c.ID)
	return err
}

func (c *retireCommand) Run(ctx context.Context, d *Desk) error {
	return d.onShard(ctx, func(s *Shard) error {
		id, err := hostID(c.ID)
		if err == nil {
			err = d.confirm(ctx, c.consent, "Take host "+c.ID+" out of use here and abort its open entries?")
		}
		if err == nil {
			err = s.Retire(ctx, id)
		}
		if err == nil {
			fmt.Fprintf(d.Stdout, "host %d is out of use here\n", id)
		}
		return err
	})
}

type renameCommand struct {
	ID       string `arg:"The id of the host, which is listed as host_taken."`
	Hostname string `arg:"Its name on the master."`
	consent
}

func (c *renameCommand) Help() string {
	return `For a host that was renamed on the master, so that its id seems to mean another host. If the master has given the id to another machine, do not rename the one that is here: drop it. The client may run meanwhile.`
}

func (c *renameCommand) Validate() error {
	_, err := hostID(c.ID)
	if err == nil && !isHostname(c.Hostname) {
		err = errors.New("the name of a host is in ASCII, without blanks")
	}
	return err
}

func (c *renameCommand) Run(ctx context.Context, d *Desk) error {
	return d.onShard(ctx, func(s *Shard) error {
		id, err := hostID(c.ID)
		if err == nil {
			err = d.confirm(ctx, c.consent, fmt.Sprintf("Is host %d the same machine, and its name on the master %q?", id, c.Hostname))
		}
		if err == nil {
			err = s.Rename(ctx, id, c.Hostname)
		}
		if err == nil {
			fmt.Fprintf(d.Stdout, "host %d is named %s here; the next beat stores the rest of it\n", id, c.Hostname)
		}
		return err
	})
}

// isHostname reports whether a word may be the name of a host.
func isHostname(word string) bool {
	return word != "" && !strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// triggersCommand enables triggers.
type triggersCommand struct{}

func (c *triggersCommand) Help() string {
	return `They keep the numbers that PostgreSQL gives out past those that the master gives out, and notice what another client acknowledges. It takes the role that owns the tables. Triggers of the site stay as they are. The client may run meanwhile.`
}

func (c *triggersCommand) Run(ctx context.Context, d *Desk) error {
	return d.onShard(ctx, func(s *Shard) error {
		enabled, err := s.Triggers(ctx)
		switch {
		case err != nil:
			return err
		case d.JSON:
			return json.NewEncoder(d.Stdout).Encode(append([]string{}, enabled...))
		case len(enabled) == 0:
			fmt.Fprintln(d.Stdout, "nothing to do: every trigger of the schema is enabled")
		}
		for _, one := range enabled {
			fmt.Fprintln(d.Stdout, "enabled", one)
		}
		return nil
	})
}
