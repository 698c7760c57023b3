package schema

import (
	"context"

	"shardclient/gen/sessiondb"
	"shardclient/runner/pg"
)

// Strangers are roles that may put functions into the schema of the tables. Theirs can be called in
// place of PostgreSQL's own, with the rights of the client.
type Strangers struct {
	Schema    string
	Roles     string // who may create there; "": nobody else
	Functions string // what others have created there; "": nothing
}

// Any reports whether there are any, or were.
func (s *Strangers) Any() bool { return s.Roles != "" || s.Functions != "" }

// FindStrangers looks who else may create in the schema of the tables. Superusers, and the owners
// of schema and tables, are no strangers.
func FindStrangers(ctx context.Context, db DB) (Strangers, error) {
	found, err := sessiondb.New(db).SessionStrangers(ctx)
	return Strangers(found), pg.Failed(err, "look who may create in the schema of the tables")
}
