// Package channels is what a client talks to: sessions, joins, tokens, and the
// channel as the sum of its members.
//
// A join is a straight line: authorise it; make its channel a member of its
// topic, of the stream of changes and of its presence, while the channel's
// outbox keeps back what these push; send the reply; open the outbox. What a
// member is and does is the business of its package: channels/topics has a
// topic's broadcasts, channels/fanout the bindings, presence what is tracked,
// channels/resume what the client has received.
//
// It knows nothing of HTTP and sockets, and asks the database nothing itself:
// policy and diagnose do.
//
// Neighbours: gateway opens sessions on outboxes of its own, gateway/api
// publishes through a Publisher, server makes the Hub.
package channels
