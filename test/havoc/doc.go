// Package havoc harms what a trial of the whole program runs: it cuts, stalls and
// half-closes connections, and kills, stops and starts again the server and Postgres,
// at random and again in the same order with the same seed.
//
// A Process is a walcast that is run again and again on one address, a Proxy stands
// between two ends whose connections are to be harmed, and Havoc decides what happens
// when. What must come of it is up to each trial.
//
// Neighbours: drill and livedrill, program starts what they harm.
package havoc
