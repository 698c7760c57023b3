package lab

import "syscall"

// boundToParent lets the kernel end the child when this process ends: SIGQUIT is PostgreSQL's immediate shutdown. A
// process group of its own keeps a Ctrl-C on the terminal away from the server, which would otherwise stop before its
// clients do.
func boundToParent(runAs account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Credential: runAs.credential(),
		Setpgid:    true,
		Pdeathsig:  syscall.SIGQUIT,
	}
}
