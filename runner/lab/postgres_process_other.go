//go:build !linux

package lab

import "syscall"

// boundToParent has no parent-death signal to ask for here. After a killed parent the server ends when its directory is
// removed at the next start: PostgreSQL looks for its postmaster.pid once a minute and shuts down without it.
func boundToParent(runAs account, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: runAs.credential(), Setpgid: true}
}
