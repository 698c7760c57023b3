package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"shardclient/runner/operator"
	"shardclient/schema"
)

// listQuarantine lists the objects that are set aside.
func (p *program) listQuarantine(ctx context.Context) error {
	pool, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := p.direct(ctx); err != nil {
		return err
	}
	if err := schema.Check(ctx, pool); err != nil {
		return err
	}
	list, err := operator.ListQuarantine(ctx, pool)
	if err != nil {
		return err
	}
	if p.settings.Output == "json" {
		return json.NewEncoder(p.stdout).Encode(list)
	}
	if len(list) == 0 {
		fmt.Fprintln(p.stdout, "the quarantine is empty")
		return nil
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DIR\tKIND\tID\tCODE\tTIMES\tFIRST SEEN\tLAST SEEN\tREASON")
	for _, o := range list {
		id := "-"
		if o.ID != nil {
			id = strconv.FormatInt(*o.ID, 10)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n",
			o.Direction, o.Kind, id, o.Code, o.Occurrences,
			o.FirstSeen.Format(time.RFC3339), o.LastSeen.Format(time.RFC3339), o.Reason)
	}
	return table.Flush()
}
