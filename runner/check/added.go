package check

import (
	"strings"

	"shardclient/gen/sharddb"
)

// added is what a site has added to the tables of the migrations, by its kind; triggers, keys and
// checks, which are a risk and no fault, are of the kind "may refuse".
type added map[string][]string

// additions leaves out the site's own tables, of which an Autotest has many.
func additions(want []string, rows []sharddb.CheckObjectsRow) added {
	known, tables := map[string]bool{}, map[string]bool{}
	for _, object := range want {
		known[object] = true
		if column, is := strings.CutPrefix(object, "column "); is {
			table, _, _ := strings.Cut(column, ".")
			tables[table] = true
		}
	}
	found := added{}
	for _, row := range rows {
		kind, object, _ := strings.Cut(row.Object, " ")
		table := object
		switch kind {
		case "index":
			if !strings.HasPrefix(object, "CREATE UNIQUE ") {
				continue
			}
			_, table, _ = strings.Cut(object, " ON ")
			kind = "may refuse"
		case "trigger", "constraint":
			kind = "may refuse"
		}
		if end := strings.IndexAny(table, " ."); end > 0 {
			table = table[:end]
		}
		if tables[table] && !known[row.Object] {
			found[kind] = append(found[kind], object)
		}
	}
	return found
}

// refuses reports whether no beat can be ok with what was added.
func (a added) refuses() bool { return len(a["policy"])+len(a["rule"])+len(a["required"]) > 0 }

func (a added) failure() Result {
	switch {
	case len(a["policy"]) > 0:
		return fail("row-level security would hide rows from this role: "+some(a["policy"]),
			"give the role BYPASSRLS, or switch it off: ALTER TABLE ... DISABLE ROW LEVEL SECURITY")
	case len(a["rule"]) > 0:
		return fail("rules that are not of shard-client: "+some(a["rule"]),
			"write triggers in their place: PostgreSQL refuses statements of a beat on a table with rules, and copies rows past them")
	}
	return fail("each new row must fill columns that shard-client does not fill: "+some(a["required"]),
		"give them a default, or take their NOT NULL away: until then each object is set aside")
}
