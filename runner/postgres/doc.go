// Package postgres runs a private PostgreSQL server on this machine, for demonstrations and tests,
// and finds or installs the binaries that it needs.
//
// It owns the life of the servers that it starts: none outlives this process, and none touches a
// server or a directory of somebody else. It is not a part of shard-client and must not be linked
// into it.
//
// # Life of a server
//
// [Start] makes a temporary directory, fills it with initdb and returns when the server answers;
// [Server.Stop] removes all of it. What a killed process leaves behind is removed by the next
// Start. [Server.Kill] and [Server.Restart] play a crash of the machine, [StartStandby] and
// [Server.Promote] a failover. [StartCopy] spares a server that begins like another the way there.
//
// # Where the programs come from
//
// The directory in SHARD_LAB_PG_BIN counts alone when it is set. Otherwise PATH, pg_config and the
// places of the usual distributions are searched, and [ErrNoPostgres] says what to install.
// install.sh searches the same places and installs the distribution's package when it finds
// nothing.
package postgres
