//go:build unix

package devdb

import "syscall"

func (p *process) fast() error      { return p.cmd.Process.Signal(syscall.SIGINT) }
func (p *process) immediate() error { return p.cmd.Process.Signal(syscall.SIGQUIT) }

func (p *process) killGroup() {
	// An error means that it has ended already. Backends live in sessions of
	// their own and end when they see the postmaster gone.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}
