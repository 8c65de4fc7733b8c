package devdb

import "os"

// Windows has no signals; owner refuses to start a server there.

func (p *process) fast() error      { return p.cmd.Process.Signal(os.Interrupt) }
func (p *process) immediate() error { return p.cmd.Process.Kill() }
func (p *process) killGroup()       { _ = p.cmd.Process.Kill() }
