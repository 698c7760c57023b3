//go:build !linux

package process

import "syscall"

// bind has no parent-death signal to ask for here. A private PostgreSQL ends all the same when its directory is removed
// at the next start: it looks for its postmaster.pid once a minute and shuts down without it.
func bind(attributes *syscall.SysProcAttr, _ syscall.Signal) { attributes.Setpgid = true }
