// Package faults gives tests a small lab of real parts to break on purpose. Its databases, networks
// and programs can be disturbed, and in the end it shows whether anything was lost.
//
// # The lab
//
// [NewLab] builds a reference master and shards on databases of pgtest. [Lab.Start] starts the real
// shard-client of a shard, [Lab.Work] lets a shard's scheduler end its jobs, and [Lab.Agree]
// compares both sides.
//
// # The faults
//
// A [Gate] stands between a shard-client and both of its servers: it can cut any single round trip.
// [Lab.Between] puts a handler before the master, [StartServer] gives the shards a PostgreSQL that
// may be killed, and [Program.Signal] reaches the client itself.
//
// The package owns no promises and no verdicts: what must hold is written in the tests here and in
// the packages below, and runner/lab/converge decides whether both sides agree. Only tests import
// it.
package faults
