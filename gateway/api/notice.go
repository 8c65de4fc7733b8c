package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walcast/cluster"
)

// notice is what nodes tell each other of requests: a format number, and JSON.
type notice struct {
	Kind   noticeKind
	Run    string // the process that has sent it
	Number uint64 `json:",omitempty"` // of a question and its answer
	Scope  []byte `json:",omitempty"` // of the request
	// Running says, in an answer, that the process is doing the request.
	Running bool        `json:",omitempty"`
	Done    *doneNotice `json:",omitempty"` // of a request that was done
	Spent   []spent     `json:",omitempty"` // what senders have sent since the notice before
	End     *endNotice  `json:",omitempty"` // what is to be ended
	Ended   int         `json:",omitempty"` // how many were, in the answer to that
}

type noticeKind string

const (
	kindQuestion noticeKind = "question" // whether a request is known
	kindAnswer   noticeKind = "answer"
	kindDone     noticeKind = "done" // a request was done
	kindSpent    noticeKind = "spent"
	kindEnd      noticeKind = "end" // sessions or channels are to be ended
	kindEnded    noticeKind = "ended"
)

// endNotice is a request to end sessions or channels: which of both, and its body.
type endNotice struct {
	What ending
	Body []byte
}

// doneNotice is done as it is sent.
type doneNotice struct {
	Body       []byte
	AgeMS      int64
	Status     int
	Answer     []byte `json:",omitempty"`
	Preference string `json:",omitempty"`
}

// spent is how much a sender has sent.
type spent struct {
	Sender          string
	Messages, Bytes int
}

func (n notice) encode() []byte { return cluster.Encode(n) }

func decodeNotice(text []byte) (n notice, err error) {
	content, err := cluster.Content(text)
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal(content, &n); err != nil {
		return notice{}, fmt.Errorf("read notice of a request: %w", err)
	}
	isAbout := n.Kind == kindQuestion || n.Kind == kindDone
	switch {
	case n.Run == "":
		err = errors.New("it names no process")
	case isAbout && len(n.Scope) != len(digest{}):
		err = errors.New("it names no request")
	case n.Kind == kindDone && n.Done == nil:
		err = errors.New("it has no answer")
	case n.Kind == kindEnd && (n.End == nil || n.End.What != disconnected && n.End.What != unsubscribed), n.Ended < 0:
		err = errors.New("it does not say what is to be ended")
	case n.Done != nil:
		err = n.Done.check()
	}
	if err != nil {
		return notice{}, fmt.Errorf("read notice of a request: %w", err)
	}
	return n, nil
}

func (d *doneNotice) check() error {
	if len(d.Body) != len(digest{}) || d.AgeMS < 0 || d.Status < 200 || d.Status > 299 || len(d.Answer) > repeatsBody {
		return errors.New("its answer is none that is remembered")
	}
	if d.Preference != "" && d.Preference != preferRepresentation || d.Answer != nil && !json.Valid(d.Answer) {
		return errors.New("its answer is none of ours")
	}
	return nil
}

// told is done as it is sent.
func (d done) told() *doneNotice {
	return &doneNotice{Body: d.body[:], AgeMS: d.age.Milliseconds(), Status: d.answer.status, Answer: d.answer.body, Preference: d.answer.preference}
}

func (d *doneNotice) done() done {
	return done{
		body: digest(d.Body), age: time.Duration(min(d.AgeMS, repeatsAge.Milliseconds())) * time.Millisecond,
		answer: response{status: d.Status, body: d.Answer, preference: d.Preference},
	}
}
