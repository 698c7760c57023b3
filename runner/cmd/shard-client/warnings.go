package main

import (
	"context"
	"fmt"
	"strings"

	"shardclient/runner/plain"
	"shardclient/schema"
)

// warn logs once, at the start of a client, a setting that nobody reads, and what makes its secrets
// or the machine less safe than they could be. None of it keeps a shard from beating.
func (p *program) warn() {
	if len(p.unread) > 0 {
		p.log.Warn("environment variables that set nothing", "names", strings.Join(p.unread, ", "),
			"hint", "no setting has such a variable, it may be misspelt: see shard-client help settings")
		p.unread = nil // said
	}
	if p.typed && p.settings.DatabaseURL.HasSecret() {
		p.log.Warn("a password stands on the command line", "flag", "--database-url",
			"hint", "every user of this machine sees it in ps: "+
				"use --database-password-file, PGPASSFILE or SHARD_CLIENT_DATABASE_URL")
	}
	if p.secrets.Short() {
		p.log.Warn("a password has fewer than six characters",
			"hint", "it is easily guessed, and in texts from elsewhere it cannot be told from other words: take a longer one")
	}
	for _, file := range p.sources.ExposedFiles(p.settings) {
		p.log.Warn("a file with a secret is open to other users", "setting", file.Setting, "file", file.Path,
			"mode", fmt.Sprintf("%04o", file.Mode), "hint", file.Closed())
	}
}

// sayUnread says of each variable that no setting reads that it sets nothing, to somebody who reads
// no log.
func (p *program) sayUnread() {
	for _, name := range p.unread {
		p.say("shard-client: " + plain.Line(name, maxShown) + " sets nothing: no setting has such a variable\n")
	}
	p.unread = nil
}

// warnOfRoot is for a client that stays. Whoever beats once by hand knows who they are.
func (p *program) warnOfRoot() {
	if p.root {
		p.log.Warn("running as root",
			"hint", "shard-client needs no rights of root, and a fault in it would have them all: "+
				"set User= in its systemd unit to a user that may read its secret files")
	}
}

// warnOfStrangers logs who else may put functions where the client looks for them, once the tables
// are known.
func (p *program) warnOfStrangers(ctx context.Context, db schema.DB) error {
	found, err := schema.FindStrangers(ctx, db)
	if err == nil && found.Any() {
		p.log.Warn("others may create in the schema of the tables",
			"schema", found.Schema, "roles", found.Roles, "functions", found.Functions,
			"hint", "a function there can be called in place of PostgreSQL's own, with the rights of this client: "+
				"run shard-client migrate grant as the owner, revoke CREATE from these roles, and drop functions that are not yours")
	}
	return err
}
