package repair

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"shardclient/runner/operator"
	"shardclient/runner/plain"
)

// reasonMost is how many bytes of a reason are listed: more than any has.
const reasonMost = 4000

// listCommand lists the objects that are set aside.
type listCommand struct{}

func (c *listCommand) Run(ctx context.Context, d *Desk) error {
	pool, err := d.Look(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	list, err := operator.ListQuarantine(ctx, pool)
	if err != nil {
		return err
	}
	if d.JSON {
		return json.NewEncoder(d.Stdout).Encode(list)
	}
	if len(list) == 0 {
		fmt.Fprintln(d.Stdout, "the quarantine is empty")
		return nil
	}
	table := tabwriter.NewWriter(d.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DIR\tKIND\tID\tCODE\tTIMES\tFIRST SEEN\tLAST SEEN\tREASON")
	for _, o := range list {
		id := "-"
		if o.ID != nil {
			id = strconv.FormatInt(*o.ID, 10)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n",
			o.Direction, o.Kind, id, plain.Line(o.Code, shownMost), o.Occurrences,
			o.FirstSeen.Format(time.RFC3339), o.LastSeen.Format(time.RFC3339), plain.Line(o.Reason, reasonMost))
	}
	return table.Flush()
}
