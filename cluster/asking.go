package cluster

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// askLimit is how long a node may take to answer.
const askLimit = time.Second

// Publish sends a message to all other nodes that have subscribed to a subject. It
// never waits, and the message may be lost. Its data must not change any more, and has
// the format number in front.
func (b *Bus) Publish(subject string, data []byte) {
	if l := b.link.Load(); l != nil {
		_ = b.sending.add(&nats.Msg{Subject: l.prefix + "." + subject, Data: data}) // what is lost is asked for again
	}
}

// Ask asks other nodes, one after the other, those in a role first, until accept
// takes an answer. It is complete if one was taken, or if all that are there have
// answered.
func (b *Bus) Ask(ctx context.Context, role string, question []byte, accept func(answer []byte) bool) (complete bool) {
	l := b.link.Load()
	if l == nil {
		return false
	}
	complete = true
	message := append([]byte{formatNumber}, question...)
	for _, run := range b.members.runs(role, time.Now()) {
		limited, cancel := context.WithTimeout(ctx, askLimit)
		answer, err := l.conn.RequestWithContext(limited, l.prefix+"."+subjectAsk+"."+run, message)
		cancel()
		if err != nil {
			complete = false
			continue
		}
		b.metrics.received.Add(float64(len(answer.Data)))
		text, err := Content(answer.Data)
		if err != nil {
			b.Unreadable(err)
			complete = false
			continue
		}
		if accept(text) {
			return true
		}
	}
	return complete
}

// respond answers the questions of other nodes, until ctx is done.
func (b *Bus) respond(ctx context.Context, questions *Subscription) {
	for {
		question, err := questions.next(ctx)
		if err != nil {
			return
		}
		text, err := Content(question.Data)
		if err != nil {
			b.Unreadable(err)
			continue
		}
		answer := append([]byte{formatNumber}, b.answer(text)...)
		if err := question.Respond(answer); err != nil && ctx.Err() == nil {
			b.logger.Warn("another node's question not answered", "bytes", len(answer), "err", b.redacted(err))
		}
	}
}
