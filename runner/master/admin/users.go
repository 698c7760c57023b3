package admin

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"shardclient/gen/masterdb"
)

// Everyone is the ACL group of all users, and of all hosts that are added without a group.
const Everyone = "Everyone"

// NewUser is a user to add.
type NewUser struct {
	Login     string
	Superuser bool     // may change the status of any host; a shard-client needs such a login
	ACLGroups []string // groups to join beside Everyone; made if missing
}

// superuser is the access level of root in Autotest.
const superuser = 100

// AddUsers adds users and ACL groups. A user who exists already joins the groups too, and becomes a
// superuser when asked for.
func (a *Admin) AddUsers(ctx context.Context, users ...NewUser) ([]Change, error) {
	return write(ctx, a, "add users", func(q *masterdb.Queries) ([]Change, error) {
		logins := make([]string, len(users))
		for i, user := range users {
			logins[i] = user.Login
		}
		logins, err := checkNames("user", logins)
		if err != nil {
			return nil, err
		}
		if err := ensureEveryone(ctx, q); err != nil {
			return nil, err
		}
		ids, added, err := ensureUsers(ctx, q, logins)
		if err != nil {
			return nil, err
		}
		if err := raise(ctx, q, users, ids); err != nil {
			return nil, err
		}
		if err := joinGroups(ctx, q, users, ids); err != nil {
			return nil, err
		}
		changes := make([]Change, len(logins))
		for i, login := range logins {
			changes[i] = Change{ids[login], login, Unchanged}
			if added[login] {
				changes[i].Outcome = Added
			}
		}
		return changes, nil
	})
}

// ensureUsers adds the missing users. It returns the ids of all logins, and which of them were
// added.
func ensureUsers(ctx context.Context, q *masterdb.Queries, logins []string) (map[string]int64, map[string]bool, error) {
	made, err := q.AdminUserAdd(ctx, logins)
	if err != nil {
		return nil, nil, fmt.Errorf("store users: %w", err)
	}
	added := map[string]bool{}
	for _, row := range made {
		added[row.Login] = true
	}
	rows, err := q.AdminUsersNamed(ctx, logins)
	if err != nil {
		return nil, nil, fmt.Errorf("read users: %w", err)
	}
	ids := map[string]int64{}
	for _, row := range rows {
		ids[row.Login] = row.ID
	}
	return ids, added, nil
}

// ensureUser returns the id of the user in whose name something is done, who is made if missing.
func ensureUser(ctx context.Context, q *masterdb.Queries, login string) (int64, error) {
	logins, err := checkNames("user", []string{login})
	if err != nil {
		return 0, err
	}
	ids, _, err := ensureUsers(ctx, q, logins)
	return ids[login], err
}

func ensureEveryone(ctx context.Context, q *masterdb.Queries) error {
	made, err := q.AdminGroupAdd(ctx, []string{Everyone})
	if err == nil && made > 0 {
		_, err = q.AdminEveryoneJoin(ctx)
	}
	if err != nil {
		return fmt.Errorf("make ACL group %s: %w", Everyone, err)
	}
	return nil
}

func raise(ctx context.Context, q *masterdb.Queries, users []NewUser, ids map[string]int64) error {
	var raised []int64
	for _, user := range users {
		if user.Superuser {
			raised = append(raised, ids[user.Login])
		}
	}
	if len(raised) == 0 {
		return nil
	}
	if _, err := q.AdminUserRaise(ctx, raised); err != nil {
		return fmt.Errorf("raise users to superusers: %w", err)
	}
	return nil
}

func joinGroups(ctx context.Context, q *masterdb.Queries, users []NewUser, ids map[string]int64) error {
	wanted := map[string]bool{}
	for _, user := range users {
		for _, group := range user.ACLGroups {
			wanted[group] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	names, err := checkNames("ACL group", slices.Collect(maps.Keys(wanted)))
	if err != nil {
		return err
	}
	if _, err := q.AdminGroupAdd(ctx, names); err != nil {
		return fmt.Errorf("make ACL groups: %w", err)
	}
	groups, err := groupIDs(ctx, q, names)
	if err != nil {
		return err
	}
	var groupIDs, userIDs []int64
	for _, user := range users {
		for _, group := range user.ACLGroups {
			groupIDs = append(groupIDs, groups[group])
			userIDs = append(userIDs, ids[user.Login])
		}
	}
	if _, err := q.AdminGroupJoin(ctx, groupIDs, userIDs); err != nil {
		return fmt.Errorf("join ACL groups: %w", err)
	}
	return nil
}

func groupIDs(ctx context.Context, q *masterdb.Queries, names []string) (map[string]int64, error) {
	rows, err := q.AdminGroupsNamed(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("read ACL groups: %w", err)
	}
	ids := map[string]int64{}
	for _, row := range rows {
		ids[row.Name] = row.ID
	}
	return ids, missing("ACL group", names, ids)
}
