// Package faults is what tests need to break things on purpose: a small lab of real parts, whose databases, networks and
// programs can be disturbed, and which tells in the end whether anything was lost.
//
// It owns no promise and no verdict: what must hold is said by the tests in it and below it, and whether both sides agree
// by runner/lab/converge. Only tests import it.
package faults
