// Package nodes is what packages have in common that tell other nodes of a cluster
// something over its bus: how they run on it, how they number and encode what they send,
// and how long a join waits for others. It knows nothing of what is told.
package nodes
