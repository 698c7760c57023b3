package repair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"shardclient/runner/lock"
	"shardclient/runner/plain"
)

// adoptCommand does what --adopt does at a start of run.
type adoptCommand struct{ consent }

func (c *adoptCommand) Help() string {
	return `For a database that is a copy of the one that was served before, or was restored, when the other one is served no more. It says what it has found before it asks. It refuses while a client serves this database.`
}

// adopted is what adopt prints as JSON.
type adopted struct {
	Adopted  bool   `json:"adopted"`
	ServedBy string `json:"served_by"` // the client that served the original last
	Since    string `json:"since"`
	Was      string `json:"was"`
	Is       string `json:"is"`
}

func (c *adoptCommand) Run(ctx context.Context, d *Desk) error {
	pool, err := d.Database(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	var copied *lock.CopyError
	if err = lock.Look(ctx, pool); err == nil {
		return d.printAdopted(adopted{}, "this database is no copy: there is nothing to adopt")
	}
	if !errors.As(err, &copied) {
		return err
	}
	found := adopted{true, copied.Who, copied.Since.UTC().Format(time.RFC3339), copied.Was.String(), copied.Is.String()}
	question := fmt.Sprintf("This is %s. Its rows come from %s,\nwhich was served last by %s, since %s.\n"+
		"If that one is served still, or again, jobs of the shard run twice. Is it gone for good?", found.Is, found.Was, plain.Line(found.ServedBy, reasonMost), found.Since)
	if err := d.confirm(ctx, c.consent, question); err != nil {
		return err
	}
	taken, err := lock.New(pool, d.Who+" (adopt)")
	if err != nil {
		return err
	}
	taken.Adopt()
	if err := taken.Hold(ctx); err != nil {
		return err
	}
	taken.Release(context.WithoutCancel(ctx))
	return d.printAdopted(found, fmt.Sprintf("adopted: %s, in place of %s, which was served last by %s, since %s",
		found.Is, found.Was, plain.Line(found.ServedBy, reasonMost), found.Since))
}

func (d *Desk) printAdopted(result adopted, text string) error {
	if d.JSON {
		return json.NewEncoder(d.Stdout).Encode(result)
	}
	fmt.Fprintln(d.Stdout, text)
	return nil
}
