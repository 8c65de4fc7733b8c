// Package devdb starts throwaway real Postgres servers from the binaries on
// the machine: one for `walcast dev`, one for each test binary that needs one.
//
// It finds the binaries, runs initdb and postgres as an unprivileged user, and
// takes everything away again. It knows nothing of walcast. It imports no
// testing package, as it is part of the product's binary: tests hand in their
// *testing.T, which fits TB.
//
// A test package that uses Open says so once:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }
package devdb
