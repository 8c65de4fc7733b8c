// Package channels is what a client talks to: sessions, joins, tokens, and the
// channel as the sum of its members.
//
// A join is a straight line: authorise it; make its channel a member of its
// topic, of the stream of changes and of its presence, while the channel's
// outbox keeps back what these push; send the reply; open the outbox. What a
// member is and does is the business of its package: a topic's broadcasts that
// of channels/topics, bindings that of channels/fanout, who is present that of
// presence, what the client has received that of channels/resume.
//
// It knows nothing of HTTP and sockets, and asks the database nothing itself:
// policy and diagnose do.
//
// Neighbours: gateway opens sessions on outboxes of its own, gateway/api
// publishes through a Publisher, server makes the Hub.
package channels
