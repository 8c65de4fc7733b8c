// Package moving has clients with a client_id go on where they were when they come to
// another node of a cluster. A node that does not know a client asks all others, which
// also tells them that it is there from now on; who has it gives it away. So that a
// client can go on whose node is gone, each node tells all others once a second what its
// clients have received lately.
//
// What a node had told before it died may be a second old: its clients get again what
// they have had since. A client that no node knows is taken for a new one only if every
// node has answered, and none has died lately; else it is told to resync.
//
// It knows what package resume keeps, and nothing of what is delivered.
package moving
