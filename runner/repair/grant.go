package repair

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"shardclient/docs"
	"shardclient/gen/sharddb"
)

type grantCommand struct {
	Role string `arg:"The role of the client."`
}

func (c *grantCommand) Help() string {
	return `No others stay on these tables. It takes the role that owns them; a superuser makes the other one before: CREATE ROLE shard_client LOGIN. Do it again after each migration. The statements are those of docs/grants.sql.`
}

func (c *grantCommand) Run(ctx context.Context, d *Desk) error {
	return d.onShard(ctx, func(s *Shard) error {
		if err := s.grant(ctx, c.Role); err != nil {
			return fmt.Errorf("give %q its rights: %w", c.Role, err)
		}
		fmt.Fprintf(d.Stdout, "%q has the rights of a client, and no others on these tables\n", c.Role)
		return nil
	})
}

// ofPsql are the lines of docs/grants.sql that only psql understands.
var ofPsql = regexp.MustCompile(`(?m)^ *\\.*\n`)

// grant runs docs/grants.sql. It is one transaction, and touches no row of the beat's.
func (s *Shard) grant(ctx context.Context, role string) error {
	home, err := sharddb.New(s.Pool).RepairHome(ctx)
	if err != nil {
		return err
	}
	if role == home.Owner {
		return errors.New("it owns the tables, and has every right")
	}
	quoted := func(name string) string { return pgx.Identifier{name}.Sanitize() }
	text := strings.NewReplacer(`:"role"`, quoted(role), `:"DBNAME"`, quoted(home.Database), "SCHEMA public", "SCHEMA "+quoted(home.Schema)).
		Replace(ofPsql.ReplaceAllString(docs.Grants, ""))
	_, err = s.Pool.Exec(ctx, text)
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == undefinedObject {
		return fmt.Errorf("%s: a superuser of PostgreSQL makes it: CREATE ROLE %s LOGIN", refused.Message, quoted(role))
	}
	return OwnersOnly(err)
}

// undefinedObject is the SQLSTATE of a role that is not there.
const undefinedObject = "42704"
