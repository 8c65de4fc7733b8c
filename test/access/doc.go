// Package access checks that nobody sees what Postgres would hide: random
// tables, policies, grants, functions, types, roles and memberships are changed
// at random while rows flow, and clients of many subjects come, filter, resume,
// refresh their tokens and leave. Every frame is held against what Postgres
// itself shows that subject.
//
// It knows walcast only from outside, as a program and a protocol. What was
// committed, and where, it has from Postgres' own decoding. What a subject may
// see it learns by trial: the history of the changes of access is done again,
// one by one, in a second Postgres, and after each one every subject looks at
// the row versions that are in question, as its role and with its claims.
//
// A run is a series of rounds, each with a world of its own that its seed
// draws. An era is the time between two changes of access. Clocks are those of
// one machine: an era may be in force from the moment before its change is
// committed until the next change's commit has been answered, and a version is
// there from the moment before its commit, so that the moments at which Postgres
// may have shown it are never judged too few.
//
// judge.go and charge.go decide and are pure; shadow.go asks; everything else
// makes the mess and keeps the diaries.
package access
