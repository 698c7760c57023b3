package check

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"shardclient/gen/sharddb"
)

// What the migrations make, as CheckObjects lists it, and the rights of docs/grants.sql, one of a
// privilege, a column or nothing, and a table in a line. Tests compare them with the originals, and
// write them with -update.
//
//go:embed objects.txt
var objectsText string

//go:embed rights.txt
var rightsText string

func lines(text string) (all []string) {
	for scanner := bufio.NewScanner(strings.NewReader(text)); scanner.Scan(); {
		all = append(all, scanner.Text())
	}
	return all
}

// shown is how many of a kind a result names; the rest is counted.
const shown = 4

func some(list []string) string {
	if rest := len(list) - shown; rest > 0 {
		return fmt.Sprintf("%s, and %d more", strings.Join(list[:shown], ", "), rest)
	}
	return strings.Join(list, ", ")
}

// ofScheduler is what `migrate up --with scheduler` adds to a table of the client.
const ofScheduler = " afe_host_queue_entries_job_id_host_id "

// objects looks whether columns, identities, keys, checks, indexes, triggers and functions are
// those that the migrations have made, and what a site has added to the tables. Indexes are about
// time only.
func (c *Checks) objects(ctx context.Context) Result {
	want := lines(objectsText)
	var rows []sharddb.CheckObjectsRow
	err := c.look(ctx, func(q *sharddb.Queries) (err error) { rows, err = q.CheckObjects(ctx, want); return err })
	if err != nil {
		return c.failed(err)
	}
	have, added := map[string]bool{}, map[string][]string{}
	for _, row := range rows {
		have[row.Object] = row.Whole
		if _, object, _ := strings.Cut(row.Object, " "); !strings.Contains(object, ofScheduler) {
			added[row.Added] = append(added[row.Added], object)
		}
	}
	var missing, broken, slow []string
	for _, object := range want {
		whole, there := have[object]
		switch {
		case whole:
		case strings.HasPrefix(object, "index "):
			slow = append(slow, object)
		case there:
			broken = append(broken, object)
		default:
			missing = append(missing, object)
		}
	}
	switch {
	case len(missing) > 0:
		return fail("missing: "+some(missing),
			"somebody has changed the tables, or restored a part of them: put it back as the migrations in schema/ make it")
	case len(broken) > 0:
		return fail("switched off, or not proven for all rows: "+some(broken),
			"as the owner of the tables: shard-client migrate repair enables triggers; prove a constraint with VALIDATE CONSTRAINT, "+
				"and let a superuser enable those that PostgreSQL keeps for itself")
	}
	for _, harm := range harms {
		if found := added[harm.kind]; len(found) > 0 {
			return fail(harm.text+some(found), harm.hint)
		}
	}
	switch found := added["may refuse"]; {
	case len(slow) > 0:
		return warn("missing or invalid, which makes beats slow: "+some(slow), "make it again, as the migrations in schema/ do, or REINDEX it")
	case len(found) > 0:
		return warn("triggers, keys or checks that are not of shard-client: "+some(found),
			"make sure that they let every row pass, what they refuse is set aside; one that writes to another table wants SECURITY DEFINER")
	}
	return ok(fmt.Sprintf("all %d columns, keys, indexes, triggers and functions are whole", len(want)))
}

// harms are what a site may have added to a table, by its kind, with which no beat can be ok.
var harms = []struct{ kind, text, hint string }{
	{"policy", "row-level security would hide rows from this role: ", "give the role BYPASSRLS, or switch it off: ALTER TABLE ... DISABLE ROW LEVEL SECURITY"},
	{"rule", "rules that are not of shard-client: ", "write triggers in their place: PostgreSQL refuses statements of a beat on a table with rules, and copies rows past them"},
	{"required", "each new row must fill columns that shard-client does not fill: ", "give them a default, or take their NOT NULL away: until then each object is set aside"},
}

// right is one right, in the place of its table or function in docs/grants.sql.
type right struct {
	Privilege string `json:"privilege"`
	Name      string `json:"name"` // of the column; "": the whole table
	Object    string `json:"object"`
	Place     int    `json:"place"`
}

// rights asks whether this role has what docs/grants.sql gives. An owner has it without asking.
func (c *Checks) rights(ctx context.Context) Result {
	var all []right
	for _, line := range lines(rightsText) {
		words := strings.Split(line, "\t")
		one := right{Privilege: words[0], Name: words[1], Object: words[2]}
		if n := len(all); n > 0 {
			one.Place = all[n-1].Place
			if all[n-1].Object != one.Object || all[n-1].Privilege != one.Privilege {
				one.Place++
			}
		}
		all = append(all, one)
	}
	list, err := json.Marshal(all)
	if err != nil {
		return c.failed(err)
	}
	var rows []sharddb.CheckRightsRow
	err = c.look(ctx, func(q *sharddb.Queries) (err error) { rows, err = q.CheckRights(ctx, list); return err })
	if err != nil {
		return c.failed(err)
	}
	var missing []string
	for _, row := range rows {
		columns := ""
		if row.Columns != "" {
			columns = " (" + row.Columns + ")"
		}
		missing = append(missing, row.Privilege+columns+" on "+row.Object)
	}
	if len(missing) > 0 {
		return fail("the role lacks "+some(missing), "as the owner of the tables: shard-client migrate grant "+c.pool.Config().ConnConfig.User)
	}
	return ok(fmt.Sprintf("the role has the %d rights of docs/grants.sql", len(all)))
}

// scheduler looks whether a real scheduler would run what is queued here.
func (c *Checks) scheduler(ctx context.Context) Result {
	var skipped int64
	err := c.look(ctx, func(q *sharddb.Queries) (err error) { skipped, err = q.CheckSkippedEntries(ctx); return err })
	switch {
	case err != nil:
		return c.failed(err)
	case skipped > 0:
		return warn(fmt.Sprintf("%d queued entries wait for a host with a label in afe_shards_labels: a scheduler of Autotest skips them", skipped),
			"empty afe_shards_labels, as the role that owns it: on a shard it has no rows, only a master's has")
	}
	return ok("no queued entry is one that a scheduler would skip")
}
