// Package model holds the models in docs/model to the code, and has spin check them.
//
// Its tests of names need nothing but Go. Those that run spin have the build tag spin, as
// they need Debian's packages spin and gcc, and minutes: make model.
package model
