// Package lab puts a whole lab on one machine, for demonstrations and tests: a private PostgreSQL and whatever runs on it.
//
// It owns the life of what it starts: nothing outlives the process, nothing touches a server or a directory that it did
// not make. It is no part of shard-client and must not be linked into it.
package lab
