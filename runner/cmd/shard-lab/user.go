package main

import (
	"context"
	"io"
	"strconv"
	"strings"

	"shardclient/runner/master/admin"
)

type userAdd struct {
	masterDatabase
	Login     []string `arg:"Logins."`
	Superuser bool     `help:"They may change the status of any host, as the login of a shard-client must."`
	ACL       []string `name:"acl" placeholder:"GROUP" help:"ACL group to join, made if missing. All users are in Everyone."`
}

func (c *userAdd) Run(ctx context.Context, out output) error {
	users := make([]admin.NewUser, len(c.Login))
	for i, login := range c.Login {
		users[i] = admin.NewUser{Login: login, Superuser: c.Superuser, ACLGroups: c.ACL}
	}
	return c.use(ctx, func(a *admin.Admin) error {
		changes, err := a.AddUsers(ctx, users...)
		if err != nil {
			return err
		}
		return c.print(out, changes, func(w io.Writer) error { return printChanges(w, "user", changes, nil) })
	})
}

type userList struct {
	masterDatabase
}

func (c *userList) Run(ctx context.Context, out output) error {
	return c.use(ctx, func(a *admin.Admin) error {
		users, err := a.Users(ctx)
		if err != nil {
			return err
		}
		return c.print(out, users, func(w io.Writer) error {
			rows := make([][]string, len(users))
			for i, u := range users {
				rows[i] = []string{
					strconv.FormatInt(u.ID, 10), u.Login, yes(u.Superuser), strings.Join(u.ACLGroups, ","),
				}
			}
			return table(w, "ID LOGIN SUPERUSER ACL_GROUPS", rows)
		})
	})
}
