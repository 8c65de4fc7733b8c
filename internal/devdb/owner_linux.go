package devdb

import "syscall"

// endWithParent stops the server when a killed test leaves it alone. The signal
// follows the thread that started it; Go ends threads only with a goroutine
// that is locked to one.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
