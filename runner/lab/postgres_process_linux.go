package lab

import "syscall"

// boundToParent lets the kernel end the child when this process ends, with the given signal. A process group of its own
// keeps a Ctrl-C on the terminal away from a server, which would otherwise stop before its clients do.
func boundToParent(runAs account, signal syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Credential: runAs.credential(),
		Setpgid:    true,
		Pdeathsig:  signal,
	}
}
