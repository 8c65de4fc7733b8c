// Package fanout brings the changes of the log to the channels that asked for
// them: to those whose bindings a change matches and whose subjects may see its
// row, in commit order, in frames that receivers of equal bytes share.
//
// A Subscription is a channel's part in this. It is attached to one delivery at
// a time, which matches changes and sends frames for all subscriptions attached
// to it. A lane has a delivery that follows the log for many subscriptions. A
// catch-up has one for a single subscription: it reads the log from an earlier
// position and hands the subscription over to a lane once it has come as far as
// the lane. A subscription whose bindings cost too much for a shared lane is
// dedicated: it stays with its catch-up.
//
// The way of a change begins in delivery.go: match (matching.go, into
// matched.go), confirm, send (sender.go, frames.go). What Postgres has to decide
// goes on in waiting.go, question.go and asker.go.
//
// Topics are spread over shards. Each shard has two lanes, direct and secured.
// A subscription starts on the direct lane and moves to the secured lane with
// the first of its changes that is under row-level security or that Postgres
// has to decide, at exactly that change. So the direct lane need not wait for
// Postgres.
//
// What Postgres has to decide waits in the queue of its subscription, with all
// that comes after it, until the asker has an answer.
//
// The delivery of a subscription also delivers the messages from SQL on its
// topic, each in its place among the rows. The package knows nothing of topics
// but their names: what a message from SQL is, and how a member of a topic gets
// it, is behind the interface Messages.
//
// The locks are those of a session's catch-ups, one at a time; of the deliveries
// of a direct lane, a secured lane and a catch-up, in this order; then that of
// the asker or of views. While a delivery's lock is held policy, the log,
// outboxes and members of topics are called and take theirs, so none of these may
// call a Subscription. docs/architecture.md has the order of all locks.
//
// Neighbours: channels makes subscriptions and owns what they push to,
// channels/topics has the members, diagnose reads bindings and words what is
// wrong with them, filters matches, policy says who may see what.
package fanout
