// Package js is the client module for pages that a program serves by itself, as
// walcast dev does. The module is not Go: see README.md.
package js

import "embed"

// Files are the module's sources, by name.
//
//go:embed *.js
var Files embed.FS
