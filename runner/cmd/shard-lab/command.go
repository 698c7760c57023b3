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
		{Name: "demo", About: "Play a whole lab live: a master, three shards, and faults.", Do: &demoCommand{}},
		{Name: "replay", About: "Play a shard's first heartbeats, recorded with a real master.", Do: &replayCommand{}},
		{Name: "simulate", About: "Measure how many shards a master can serve.", Do: &simulateCommand{}},
		{Name: "bench", About: "Measure shard-client against what PostgreSQL itself needs.", Do: &benchCommand{}},
		{Name: "postgres", About: "Start a private PostgreSQL, for a while or for one command.", Do: &postgresCommand{}},
		{Name: "master", About: "Serve heartbeats as a master does, with a database of yours.", Do: &masterCommand{}},
		{Name: "scheduler", About: "Run the toy scheduler on a shard's database, until a signal.", Do: &schedulerCommand{}},

		{Name: "shard", About: "Shards and their labels."},
		{Name: "shard add", About: "Add a shard, or give more labels to one.", Do: &shardAdd{}},
		{Name: "shard list", About: "List shards.", Do: &shardList{}},
		{Name: "shard remove", About: "Remove a shard, or take labels from it.", Do: &shardRemove{}},
		{Name: "label", About: "Labels and the hosts that carry them."},
		{Name: "label add", About: "Add labels.", Do: &labelAdd{}},
		{Name: "label list", About: "List labels, their shards, and how many hosts carry them.", Do: &labelList{}},
		{Name: "label remove", About: "Remove a label that no shard, host or open job uses.", Do: &labelRemove{}},
		{Name: "label attach", About: "Give a label to hosts.", Do: &labelAttach{}},
		{Name: "label detach", About: "Take a label from hosts.", Do: &labelDetach{}},
		{Name: "host", About: "Hosts: add, lock, move, remove."},
		{Name: "host add", About: "Add hosts; each goes to the shard that has one of its labels.", Do: &hostAdd{}},
		{Name: "host list", About: "List hosts.", Do: &hostList{}},
		{Name: "host lock", About: "Keep hosts from being used.", Do: &hostLock{}},
		{Name: "host unlock", About: "Let hosts be used again.", Do: &hostUnlock{}},
		{Name: "host lease", About: "Keep hosts from being sent to a shard.", Do: &hostLease{}},
		{Name: "host release", About: "Let hosts be sent to a shard.", Do: &hostRelease{}},
		{Name: "host move", About: "Take hosts to another board, and with it to another shard.", Do: &hostMove{}},
		{Name: "host remove", About: "Remove hosts, and abort their open entries.", Do: &hostRemove{}},
		{Name: "job", About: "Jobs and suites: create, abort."},
		{Name: "job create", About: "Create a job, or a suite of jobs.", Do: &jobCreate{}},
		{Name: "job list", About: "List jobs, the newest first.", Do: &jobList{}},
		{Name: "job abort", About: "Abort jobs and their child jobs.", Do: &jobAbort{}},
		{Name: "user", About: "Users and ACL groups."},
		{Name: "user add", About: "Add users, and the ACL groups that they are in.", Do: &userAdd{}},
		{Name: "user list", About: "List users and their ACL groups.", Do: &userList{}},
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
