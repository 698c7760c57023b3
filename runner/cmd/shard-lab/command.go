package main

import (
	"context"
	"errors"
	"strings"

	"shardclient/runner/command"
	"shardclient/runner/flags"
)

// runner is what each command does. See package command for its flags and arguments.
type runner interface {
	Run(ctx context.Context, out output) error
}

func commands() []command.Command {
	return []command.Command{
		{Name: "", About: "A laboratory on a desk: what a shard needs around it, on one machine."},
		{Name: "demo", About: "Play a whole lab live: a master, three shards, and faults.", Do: &demoCommand{},
			Example: "shard-lab demo --watch --seed 7"},
		{Name: "replay", About: "Play a shard's first heartbeats, recorded with a real master.", Do: &replayCommand{},
			Example: "shard-lab replay"},
		{Name: "simulate", About: "Measure how many shards a master can serve.", Do: &simulateCommand{},
			Example: "shard-lab simulate --shards 100 --masters 2"},
		{Name: "bench", About: "Measure shard-client against what PostgreSQL itself needs.", Do: &benchCommand{},
			Example: "shard-lab bench --only idle,memory --rounds 3"},
		{Name: "postgres", About: "Start a private PostgreSQL, for a while or for one command.", Do: &postgresCommand{}},
		{Name: "master", About: "Serve heartbeats as a master does, with a database of yours.", Do: &masterCommand{},
			Example: "shard-lab master --listen 127.0.0.1:8000"},
		{Name: "scheduler", About: "Run the toy scheduler on a shard's database, until a signal.", Do: &schedulerCommand{}},
		{Name: "agree", About: "Compare shards with their master, field by field.", Do: &agreeCommand{}},

		{Name: "shard", About: "Shards and their labels."},
		{Name: "shard add", About: "Add a shard, or give more labels to one.", Do: &shardAdd{},
			Example: "shard-lab shard add shard1.example --label board:eve"},
		{Name: "shard list", About: "List shards.", Do: &shardList{},
			Example: "shard-lab shard list"},
		{Name: "shard remove", About: "Remove a shard, or take labels from it.", Do: &shardRemove{},
			Example: "shard-lab shard remove shard1.example --label board:eve"},
		{Name: "label", About: "Labels and the hosts that carry them."},
		{Name: "label add", About: "Add labels.", Do: &labelAdd{},
			Example: "shard-lab label add board:eve board:kevin pool:bvt pool:spare"},
		{Name: "label list", About: "List labels, their shards, and how many hosts carry them.", Do: &labelList{},
			Example: "shard-lab label list --output json"},
		{Name: "label remove", About: "Remove a label that no shard, host or open job uses.", Do: &labelRemove{},
			Example: "shard-lab label remove pool:spare"},
		{Name: "label attach", About: "Give a label to hosts.", Do: &labelAttach{},
			Example: "shard-lab label attach pool:bvt host1 host2"},
		{Name: "label detach", About: "Take a label from hosts.", Do: &labelDetach{},
			Example: "shard-lab label detach pool:bvt host2"},
		{Name: "host", About: "Hosts: add, lock, move, remove."},
		{Name: "host add", About: "Add hosts; each goes to the shard that has one of its labels.", Do: &hostAdd{},
			Example: "shard-lab host add host1 host2 --label board:eve"},
		{Name: "host list", About: "List hosts.", Do: &hostList{},
			Example: "shard-lab host list"},
		{Name: "host lock", About: "Keep hosts from being used.", Do: &hostLock{},
			Example: "shard-lab host lock host1 --reason 'new disk'"},
		{Name: "host unlock", About: "Let hosts be used again.", Do: &hostUnlock{},
			Example: "shard-lab host unlock host1"},
		{Name: "host lease", About: "Keep hosts from being sent to a shard.", Do: &hostLease{},
			Example: "shard-lab host lease host2"},
		{Name: "host release", About: "Let hosts be sent to a shard.", Do: &hostRelease{},
			Example: "shard-lab host release host2"},
		{Name: "host move", About: "Take hosts to another board, and with it to another shard.", Do: &hostMove{},
			Example: "shard-lab host move host2 --to board:kevin"},
		{Name: "host remove", About: "Remove hosts, and abort their open entries.", Do: &hostRemove{},
			Example: "shard-lab host remove host2"},
		{Name: "job", About: "Jobs and suites: create, abort."},
		{Name: "job create", About: "Create a job, or a suite of jobs.", Do: &jobCreate{}},
		{Name: "job list", About: "List jobs, the newest first.", Do: &jobList{},
			Example: "shard-lab job list --open --limit 0"},
		{Name: "job abort", About: "Abort jobs and their child jobs.", Do: &jobAbort{},
			Example: "shard-lab job abort 1"},
		{Name: "user", About: "Users and ACL groups."},
		{Name: "user add", About: "Add users, and the ACL groups that they are in.", Do: &userAdd{},
			Example: "shard-lab user add alice --superuser"},
		{Name: "user list", About: "List users and their ACL groups.", Do: &userList{},
			Example: "shard-lab user list"},
	}
}

// read reads a command line into the fields of its command.
func read(args []string) (*command.Line, error) {
	all := &command.Set{Program: "shard-lab", Commands: commands(), Heading: heading}
	line, err := all.Read(args)
	if err != nil || line.Help || line.Version {
		return line, err
	}
	return line, errors.Join(flags.FromEnvironment(line.Flags), line.TakeArguments())
}

// heading is the title above a command in the list of all.
func heading(c *command.Command) string {
	if strings.Contains(c.Name, " ") {
		return "Edit the master's database"
	}
	return "Commands"
}
