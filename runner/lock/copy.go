package lock

import (
	"context"
	"fmt"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/pg"
)

// CopyError says that the rows of this database were written in another one: this is a copy of it,
// or it was restored from a dump.
type CopyError struct {
	Who     string    // the client that wrote there last
	Since   time.Time // when that took the lock
	Was, Is Place
}

// Place is a database by the identifier of its server and by its own oid.
type Place struct {
	System   int64 // 0: unknown
	Database int64 // 0: unknown
}

func (p Place) String() string {
	if p.System == 0 {
		return fmt.Sprintf("database %d", p.Database)
	}
	return fmt.Sprintf("database %d of the server %d", p.Database, p.System)
}

func (e *CopyError) Error() string {
	return fmt.Sprintf("this database is a copy, or was restored: it is %s, and was %s when it was last served, by %s, since %s; "+
		"if two clients serve one shard from copies, its jobs run twice; "+
		"%s", e.Is, e.Was, e.Who, e.Since.UTC().Format(time.RFC3339), e.Hint())
}

// Hint says what to do; it is part of the text.
func (*CopyError) Hint() string {
	return "make sure that the other one is served no more, then say so: shard-client adopt, or --adopt at one start"
}

// Adopt lets the next taking of the lock accept a database that is a copy of the one that was
// served before.
func (l *Lock) Adopt() { l.adopt = true }

// Copied returns a [*CopyError] when the database was served elsewhere before. It only reads.
func Copied(ctx context.Context, q *sharddb.Queries) error {
	_, _, err := (&Lock{}).look(ctx, q)
	return err
}

// look returns where the database is. The error is a [*CopyError] when it was served elsewhere
// before and nobody has said that it is to be adopted.
func (l *Lock) look(ctx context.Context, q *sharddb.Queries) (is Place, settled bool, err error) {
	if is.System, err = q.OwnerSystem(ctx); err != nil && !pg.Forbidden(err) {
		return is, false, fmt.Errorf("take the lock: ask for the server's identifier: %w", err)
	}
	origins, err := q.OwnerOrigin(ctx)
	if err != nil {
		return is, false, fmt.Errorf("take the lock: read where the database was served: %w", err)
	}
	if len(origins) == 0 {
		return is, false, nil // nobody has served it yet
	}
	o := origins[0]
	is.Database = o.Here
	was := Place{o.SystemIdentifier, o.DatabaseOid}
	switch {
	case was == is:
		return is, true, nil
	case differ(was.System, is.System) || differ(was.Database, is.Database):
		if !l.adopt {
			return is, false, &CopyError{Who: o.Who, Since: o.Since, Was: was, Is: is}
		}
	}
	return is, false, nil
}

// differ reports whether two numbers are known and not the same.
func differ(a, b int64) bool { return a != 0 && b != 0 && a != b }
