package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"walcast/internal/subscriber"
)

// tailPrinter prints what a subscriber is told: what comes to out, what happens to the
// connection to notes.
type tailPrinter struct {
	out, notes io.Writer
	json       bool
	colours    bool
	err        error // of the first write that failed
}

// Joined implements subscriber.Listener.
func (p *tailPrinter) Joined(topic string, at subscriber.Place) {
	if topic != tailTopic {
		p.note("joined %s", topic)
		return
	}
	if at.Position == "" {
		p.note("joined: the rows that there are come first")
		return
	}
	p.note("joined: what comes after %s", at.Position)
}

// Lost implements subscriber.Listener.
func (p *tailPrinter) Lost(why error, again time.Duration) {
	p.note("%s; again in %s", printable(why.Error()), again)
}

func (p *tailPrinter) note(format string, args ...any) {
	fmt.Fprintf(p.notes, "walcast: "+format+"\n", args...)
}

// Event implements subscriber.Listener.
func (p *tailPrinter) Event(e subscriber.Event) {
	if p.json {
		p.line(jsonLine(e))
		return
	}
	switch e.Name {
	case "postgres_changes":
		p.change(e)
	case "broadcast":
		p.broadcast(e)
	case "presence_state":
		p.presence(e, e.Payload, "+", green)
	case "presence_diff":
		var d struct{ Joins, Leaves json.RawMessage }
		if json.Unmarshal(e.Payload, &d) == nil {
			p.presence(e, d.Joins, "+", green)
			p.presence(e, d.Leaves, "-", red)
		}
	case "system":
		p.system(e)
	default:
		p.line(fmt.Sprintf("%s %s %s", p.paint(dim, e.Name), printable(e.Topic), printable(string(e.Payload))))
	}
}

// jsonLine is an event as an object on one line.
func jsonLine(e subscriber.Event) string {
	line := struct {
		Topic    string          `json:"topic,omitempty"` // none for rows
		Event    string          `json:"event"`
		Position string          `json:"position,omitempty"`
		History  string          `json:"history,omitempty"`
		Payload  json.RawMessage `json:"payload"`
	}{e.Topic, e.Name, e.At.Position, e.At.History, e.Payload}
	if e.Topic == tailTopic {
		line.Topic = ""
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(line) // the payload was read as JSON
	return strings.TrimSuffix(text.String(), "\n")
}

func (p *tailPrinter) line(text string) {
	if _, err := fmt.Fprintln(p.out, text); err != nil && p.err == nil {
		p.err = err
	}
}

// change prints a row: the new one and, of an UPDATE, what it was where that is known.
func (p *tailPrinter) change(e subscriber.Event) {
	var c struct {
		Data struct {
			Type, Schema, Table string
			At                  time.Time       `json:"commit_timestamp"`
			Record              json.RawMessage `json:"record"`
			Old                 json.RawMessage `json:"old_record"`
			Errors              []string
		}
	}
	if err := json.Unmarshal(e.Payload, &c); err != nil {
		p.note("a change that cannot be read: %v", err)
		return
	}
	d := c.Data
	row, was := d.Record, d.Old
	if d.Type == "DELETE" {
		row, was = d.Old, nil
	}
	text := fmt.Sprintf("%s %s %s.%s", p.paint(dim, d.At.Local().Format("15:04:05.000")), p.paint(colourOf(d.Type), fmt.Sprintf("%-8s", printable(d.Type))),
		printable(d.Schema), printable(d.Table))
	if row != nil {
		text += " " + printable(string(row))
	}
	if before := differing(was, row); before != "" {
		text += p.paint(dim, " was "+printable(before))
	}
	if len(d.Errors) > 0 {
		text += " " + p.paint(red, printable(strings.Join(d.Errors, "; ")))
	}
	p.line(text + p.paint(dim, " "+e.At.Position))
}

// differing is an object of the members of a row before a change that are others after it;
// "" if there are none.
func differing(was, row json.RawMessage) string {
	var before, after map[string]json.RawMessage
	if json.Unmarshal(was, &before) != nil || json.Unmarshal(row, &after) != nil {
		return ""
	}
	for name, value := range before {
		if now, ok := after[name]; ok && bytes.Equal(now, value) {
			delete(before, name)
		}
	}
	if len(before) == 0 {
		return ""
	}
	text, err := json.Marshal(before)
	if err != nil {
		return ""
	}
	return string(text)
}

func (p *tailPrinter) broadcast(e subscriber.Event) {
	var b struct {
		Event, Base64 string
		Payload       json.RawMessage
	}
	if json.Unmarshal(e.Payload, &b) != nil || b.Event == "" {
		p.line(fmt.Sprintf("%s %s %s", p.paint(blue, "broadcast"), printable(e.Topic), printable(string(e.Payload))))
		return
	}
	text := string(b.Payload)
	if b.Base64 != "" {
		text = "base64 " + b.Base64
	}
	p.line(fmt.Sprintf("%s %s %s %s", p.paint(blue, "broadcast"), printable(e.Topic), printable(b.Event), printable(text)))
}

// presence prints who is in an object of metas by key.
func (p *tailPrinter) presence(e subscriber.Event, of json.RawMessage, sign, colour string) {
	var keys map[string]struct{ Metas []json.RawMessage }
	if json.Unmarshal(of, &keys) != nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		for _, meta := range keys[key].Metas {
			p.line(fmt.Sprintf("%s %s %s %s %s", p.paint(blue, "presence "), printable(e.Topic), p.paint(colour, sign), printable(key), printable(string(meta))))
		}
	}
}

// system prints what happened to a channel, with what mends it.
func (p *tailPrinter) system(e subscriber.Event) {
	var s struct{ Status, Message, Fix, Cost string }
	if json.Unmarshal(e.Payload, &s) != nil || s.Message == "" {
		return
	}
	p.note("%s", printable(s.Message))
	if s.Fix != "" {
		p.note("to mend it: %s", printable(s.Fix))
	}
	if s.Cost != "" {
		p.note("what that costs: %s", printable(s.Cost))
	}
}

// Colours of a terminal (ECMA-48, SGR).
const (
	red   = "\x1b[31m"
	green = "\x1b[32m"
	amber = "\x1b[33m"
	blue  = "\x1b[34m"
	dim   = "\x1b[2m"
	plain = "\x1b[0m"
)

func colourOf(kind string) string {
	switch kind {
	case "INSERT":
		return green
	case "UPDATE":
		return amber
	}
	return red
}

func (p *tailPrinter) paint(colour, text string) string {
	if !p.colours || colour == "" {
		return text
	}
	return colour + text + plain
}

// printable has characters escaped that a terminal would obey, as rows may have them.
func printable(text string) string {
	obeyed := func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError
	}
	if strings.IndexFunc(text, obeyed) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if obeyed(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
