// Package fanout brings the changes of the log to the channels that asked for
// them: to those whose bindings a change matches and whose subjects may see it,
// in commit order, in frames that equal receivers share.
//
// A Subscription is a channel's place in the log. It is attached to one delivery
// at a time: to a lane, which follows the log for many, or to a catch-up, which
// reads for one subscription from an earlier position on and hands it over to a
// lane once it has come as far, unless its bindings cost too much for one. A shard has two lanes, direct and secured: a
// subscription moves to the secured lane with the first of its changes that is
// under row-level security or has to be asked about, at exactly that change.
// What has to be asked waits in the queue of its subscription, with what comes
// behind it, until the judge has asked. Whoever delivers a
// subscription's rows also delivers the messages from SQL on its topic, each in
// its place among the rows.
//
// It knows nothing of topics but their names: what a message from SQL is, and
// how a member of a topic gets it, is behind the interface Messages.
//
// Locks are taken in this order: Turn, direct lane, secured lane, catch-up; then
// that of the judge or of views; then what members of topics and outboxes take,
// then the log's. Outboxes and members
// are called with a delivery's lock held, so they must not call a Subscription.
//
// Neighbours: channels makes subscriptions and owns what they push to,
// channels/topics has the members, diagnose reads bindings and words what is
// wrong with them, filters matches, policy says who may see what.
package fanout
