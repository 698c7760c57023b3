package main

import (
	"context"
	"fmt"

	"shardclient/runner/command"
)

func (p *program) printManual(context.Context) error {
	fmt.Fprint(p.stdout, p.manual())
	return nil
}

// manual returns the manual page. It is stored in deploy/man, too.
func (p *program) manual() string {
	return p.commandLines().Manual(
		command.Section{Title: "Environment", Lines: []command.Entry{
			{Text: "Each setting names its variable. Those of PostgreSQL (PGHOST, PGPASSFILE and others) count " +
				"where --database-url is silent. HTTPS_PROXY, HTTP_PROXY and NO_PROXY say the way to the master."},
		}},
		command.Section{Title: "Exit status", Lines: []command.Entry{
			{Term: "0", Text: "success; of run: stopped by a signal or --lifetime"},
			{Term: "1", Text: "failure at run time; the message says which"},
			{Term: "2", Text: "command line or settings; the message says which, and what to give"},
			{Term: "3", Text: "another client holds the lock of this shard"},
			{Term: "4", Text: "the database has another schema than this program, or its server is too old"},
		}},
		command.Section{Title: "See also", Lines: []command.Entry{
			{Text: "The documents of shard-client: install.md, settings.md, runbook.md, metrics.md."},
		}},
	)
}
