//go:build !linux

package process

import "syscall"

// bind cannot ask for a signal at our death on this system. A private PostgreSQL still ends: the
// next start removes its directory, and a postmaster looks for its postmaster.pid once a minute and
// shuts down without it.
func bind(attributes *syscall.SysProcAttr, _ syscall.Signal) { attributes.Setpgid = true }
