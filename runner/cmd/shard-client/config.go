package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"shardclient/runner/pg"
	"shardclient/runner/plain"
)

// maxShown is how many bytes of a value are shown: more than any that is of use.
const maxShown = 4096

// printConfig prints every setting, its value and where that is from. Settings that cannot be used
// do not keep it from that: it is asked because of them.
func (p *program) printConfig(context.Context) error {
	list := p.sources.Settings(p.settings)
	if driver, err := p.door().Check(); err == nil && p.settings.ValidateDatabase() == nil {
		list = append(list, p.sources.Connection(p.settings, driver.ConnConfig.Password, driver.ConnConfig.ConnectTimeout, pg.ConnectTimeout)...)
	}
	for i := range list {
		list[i].Value = p.secrets.RedactOwn(list[i].Value)
	}
	var failed error
	if p.settings.Output == "json" {
		failed = json.NewEncoder(p.stdout).Encode(list)
	} else {
		table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "SETTING\tVALUE\tSOURCE")
		for _, one := range list {
			value, source := plain.Line(one.Value, maxShown), plain.Line(one.Source, maxShown)
			fmt.Fprintf(table, "%s\t%s\t%s\n", one.Name, cmp.Or(value, "-"), source)
		}
		failed = table.Flush()
	}
	broken := p.broken
	if broken == nil && p.settings.ValidateDatabase() == nil {
		broken = p.checkDatabase()
	}
	if broken != nil {
		return &usageError{broken}
	}
	p.sayUnread()
	return failed
}
