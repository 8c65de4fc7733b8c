package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"walcast/channels"
)

// ender ends sessions and channels of this node.
type ender interface {
	Disconnect(channels.Selection) (ended int)
	Unsubscribe(channels.Selection) (ended int)
}

// ending is what is ended, as the answer has it.
type ending string

const (
	disconnected ending = "disconnected"
	unsubscribed ending = "unsubscribed"
)

// end ends what a selection says, on this node.
func (e ending) end(h ender, sel channels.Selection) (ended int) {
	if e == disconnected {
		return h.Disconnect(sel)
	}
	return h.Unsubscribe(sel)
}

// How often sessions and channels are ended over HTTP: each request looks at all
// that there are.
const (
	endingsPerSecond = 50
	endingsAtOnce    = 100
)

var tooManyEndings = message(http.StatusTooManyRequests, "Too many requests to end sessions or channels: name more of them at once, or wait")

// endings answers POST /api/disconnect and /api/unsubscribe.
type endings struct {
	hub     ender
	gateway Gateway
	sharing *sharing // nil without a cluster
	rate    *rate.Limiter
}

func newEndings(h ender, g Gateway, s *sharing) *endings {
	return &endings{hub: h, gateway: g, sharing: s, rate: rate.NewLimiter(endingsPerSecond, endingsAtOnce)}
}

// disconnect ends sessions, unsubscribe channels, on all nodes. They are for servers.
func (e *endings) disconnect(r request) response { return e.end(r, disconnected) }

func (e *endings) unsubscribe(r request) response { return e.end(r, unsubscribed) }

func (e *endings) end(r request, what ending) response {
	if r.claims.Role != serviceRole {
		return message(http.StatusForbidden, "Forbidden: sessions and channels are ended by the role service_role only")
	}
	selection, err := readSelection(r.body)
	if err != nil {
		return message(http.StatusBadRequest, "Bad Request: "+err.Error())
	}
	if !e.rate.AllowN(time.Now(), 1) {
		e.gateway.Limited(limitEndings)
		return tooManyEndings
	}
	count := what.end(e.hub, selection)
	if e.sharing != nil {
		others, err := e.sharing.end(r.Context(), endNotice{what, r.body})
		count += others
		if err != nil {
			return jsonResponse(http.StatusServiceUnavailable, map[string]any{string(what): count, "message": "Service Unavailable: " + err.Error()})
		}
	}
	return jsonResponse(http.StatusOK, map[string]int{string(what): count})
}

// readSelection reads a body that selects sessions or channels. What is not known is an error:
// a name that is spelled wrong must not mean everybody.
func readSelection(body []byte) (sel channels.Selection, err error) {
	var given struct {
		Sub     *string `json:"sub"`
		Topic   *string `json:"topic"`
		Private *bool   `json:"private"`
		Session *string `json:"session"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&given); err != nil {
		return sel, errors.New(`the body is not {"sub": …, "topic": …, "private": …, "session": …}: ` + strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return sel, errors.New("there is something after the body's object")
	}
	for name, field := range map[string]*string{"sub": given.Sub, "topic": given.Topic, "session": given.Session} {
		if field != nil && *field == "" {
			return sel, errors.New(name + " is empty")
		}
	}
	switch {
	case given.Sub == nil && given.Topic == nil && given.Session == nil:
		return sel, errors.New("want one of sub, topic and session at least")
	case given.Private != nil && given.Topic == nil:
		return sel, errors.New("private belongs to topic, which is missing")
	}
	return selectionOf(given.Sub, given.Topic, given.Session, given.Private)
}

func selectionOf(sub, topic, session *string, private *bool) (sel channels.Selection, err error) {
	sel.Private = private
	if sub != nil {
		sel.Sub = *sub
	}
	if topic != nil {
		sel.Topic = *topic
	}
	if session == nil {
		return sel, nil
	}
	id, err := channels.ParseSessionID(*session)
	if err != nil {
		return sel, errors.New("session: " + err.Error())
	}
	sel.Session = &id
	return sel, nil
}
