package devdb

import (
	"errors"
	"os"
	"syscall"
)

type owner struct{ name string }

func unprivileged() (owner, error) {
	return owner{}, errors.New("start a private Postgres: not supported on Windows, run one in Docker and use its URL")
}

func (owner) own(string) error                  { return nil }
func (owner) sysProcAttr() *syscall.SysProcAttr { return nil }
func lockFile(*os.File) bool                    { return true }
