package process

import "syscall"

// bind lets the kernel end the child when this process ends.
func bind(attributes *syscall.SysProcAttr, whenWeEnd syscall.Signal) {
	attributes.Setpgid, attributes.Pdeathsig = true, whenWeEnd
}
