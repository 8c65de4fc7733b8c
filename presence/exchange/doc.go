// Package exchange has the nodes of a cluster tell each other what their channels track,
// so that each shows the presence of all.
//
// A node tells what has changed of its own members, to those nodes that have members of
// the topic, in numbered deltas. It says again and again which it has sent lately, so
// that others see what they lack, as the bus loses messages and says so of none: they ask
// for all that it has of a topic then. What a node has told stays for the grace time of
// presence after it was heard of last. Nothing that comes over the bus says who may see
// it: that is decided here as for any presence.
//
// Neighbours: presence has the rooms; package cluster is the bus, which server brings
// here; channels runs it.
package exchange
