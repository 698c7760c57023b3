// Package postgres runs a private PostgreSQL server on this machine, for demonstrations and tests, and finds or installs
// the binaries that it needs.
//
// It owns the life of what it starts: no server outlives the process, and none touches a server or a directory that it
// did not make. It is no part of shard-client and must not be linked into it.
package postgres
