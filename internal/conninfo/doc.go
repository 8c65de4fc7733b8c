// Package conninfo reads database-url as people and frameworks write it, and
// makes of it what every connection to Postgres starts from.
//
// It knows which parameters other clients add, finds out which of several hosts
// a connection leads to, and pins the encoding of text. It connects to nothing.
// No error of it quotes the password.
package conninfo
