package hostile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walcast/test/program"
)

const (
	visitEvery = 400 * time.Millisecond
	visitLimit = 15 * time.Second
)

// visits has somebody come, join and leave, again and again until ctx is done: by
// turns for rows, with a filter that has to be checked, to a private topic, and for the
// rows that there are.
func visits(ctx context.Context, address string) (all []visit) {
	for i := 0; program.Wait(ctx, visitEvery); i++ {
		started := time.Now()
		err := come(context.WithoutCancel(ctx), address, i)
		v := visit{joined: time.Since(started)}
		if err != nil {
			v.refused = err.Error()
		}
		all = append(all, v)
	}
	return all
}

// come returns when the visitor is let in.
func come(ctx context.Context, address string, i int) error {
	ctx, cancel := context.WithTimeout(ctx, visitLimit)
	defer cancel()
	s, err := caller{address: address, token: token(strangerUser)}.dial(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer s.close()
	config, last := purpose(i)
	if _, err := s.join(fmt.Sprintf("visit-%d", i), config); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	for {
		f, err := s.next()
		if err != nil {
			return fmt.Errorf("wait for %s: %w", last, errors.Join(err, ctx.Err()))
		}
		if f.event != "phx_reply" && f.event != "system" {
			continue
		}
		var p struct{ Status, Code string }
		if err := json.Unmarshal(f.payload, &p); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if p.Status != "ok" {
			return fmt.Errorf("told %.200s", f.payload)
		}
		if f.event == last || p.Code == last {
			return nil
		}
	}
}

// purpose is what a visitor joins for, and the event or code after which it has it.
func purpose(i int) (config map[string]any, last string) {
	rows := bind(openTable, fmt.Sprintf("body=eq.visitor%d", i))
	switch i % 3 {
	case 0:
		return bindings(rows), "system"
	case 1:
		return map[string]any{"private": true}, "phx_reply"
	}
	first := snapshot(openTable, "")
	first["limit"] = 1 + i%50
	return bindings(first), "snapshot_end"
}
