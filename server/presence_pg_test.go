package server

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

// online is what a client makes of presence_state and the diffs after it: refs by
// key.
type online struct {
	mu    sync.Mutex
	state map[string]map[string]bool // nil before the state
	fault string
}

type metas map[string]struct {
	Metas []struct {
		Ref string `json:"phx_ref"`
	}
}

func (o *online) take(event string, payload []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch event {
	case "presence_state":
		o.state = map[string]map[string]bool{}
		o.join(o.read(payload, &metas{}))
	case "presence_diff":
		if o.state == nil {
			o.fault = "a diff came before the state"
			return
		}
		var diff struct{ Joins, Leaves json.RawMessage }
		if err := json.Unmarshal(payload, &diff); err != nil {
			o.fault = err.Error()
		}
		o.join(o.read(diff.Joins, &metas{}))
		o.leave(o.read(diff.Leaves, &metas{}))
	}
}

func (o *online) read(raw []byte, m *metas) metas {
	if err := json.Unmarshal(raw, m); err != nil {
		o.fault = err.Error()
	}
	return *m
}

func (o *online) join(m metas) {
	for key, one := range m {
		if o.state[key] == nil {
			o.state[key] = map[string]bool{}
		}
		for _, meta := range one.Metas {
			o.state[key][meta.Ref] = true
		}
	}
}

func (o *online) leave(m metas) {
	for key, one := range m {
		for _, meta := range one.Metas {
			if !o.state[key][meta.Ref] {
				o.fault = fmt.Sprintf("%s left %s, which it did not have", key, meta.Ref)
			}
			delete(o.state[key], meta.Ref)
		}
		if len(o.state[key]) == 0 {
			delete(o.state, key)
		}
	}
}

// sees is the state as text, with an error in front of it if there is one.
func (o *online) sees() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	encoded, _ := json.Marshal(o.state) // maps encode sorted
	return o.fault + string(encoded)
}

// present asks the server for the presence of a topic.
func (s *running) present(t *testing.T, subTopic string) string {
	t.Helper()
	claims := jwt.MapClaims{"role": "service_role", "exp": time.Now().Add(time.Hour).Unix()}
	key, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+"/api/presence/"+subTopic, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("GET presence = %d %s, %v", answer.StatusCode, body, err)
	}
	var o online
	o.take("presence_state", body)
	return o.sees()
}

// restless is a member that joins, tracks, changes, leaves and dies at random.
type restless struct {
	*peer
	online *online
}

func (r *restless) step(t *testing.T, s *running, key string, i int, random *rand.Rand) {
	const topic = "realtime:crowd"
	if r.peer == nil {
		r.online = &online{}
		if r.peer = s.peer(t, vsnOf(i), key, r.online.take); r.peer == nil {
			return
		}
		r.join(topic, fmt.Sprintf(`{"presence":{"key":"k%d"}}`, i%300)) // some keys have two members
	}
	switch random.IntN(6) {
	case 0, 1, 2:
		r.send(topic, "presence", fmt.Sprintf(`{"type":"presence","event":"track","payload":{"n":%d}}`, random.IntN(1000)))
	case 3:
		r.send(topic, "presence", `{"type":"presence","event":"untrack"}`)
	case 4:
		r.send(topic, "phx_leave", `{}`)
		fallthrough
	case 5: // the socket dies
		r.end()
		r.peer, r.online = nil, nil
	}
}

// TestFiveHundredMembersOverSocketsAgree lets 500 clients of both versions come
// and go: those that are left see the same, which is what the server says.
func TestFiveHundredMembersOverSocketsAgree(t *testing.T) {
	const members, steps = 500, 3
	s := startServer(t, configFor(appDatabase(t)))
	key := token(t)
	crowd := make([]restless, members)
	each(members, 32, func(i int) {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		for range steps {
			crowd[i].step(t, s, key, i, random)
		}
	})
	defer each(members, 32, func(i int) {
		if crowd[i].peer != nil {
			crowd[i].end()
		}
	})
	left := slices.DeleteFunc(slices.Clone(crowd), func(m restless) bool { return m.peer == nil })
	want := ""
	differs := func(m restless) bool { return m.online.sees() != want }
	for deadline := time.Now().Add(6 * patience); ; <-time.After(5 * time.Millisecond) {
		want = s.present(t, "crowd")
		i := slices.IndexFunc(left, differs)
		if i < 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a member, vsn %s, sees others than there are (-there +seen):\n%s", left[i].vsn, cmp.Diff(want, left[i].online.sees()))
		}
	}
	if len(left) < members/3 || len(want) < 1000 {
		t.Errorf("%d members are left, present are %s; want more of both", len(left), want)
	}
}

// arrivals counts the diffs in which members come.
type arrivals struct {
	mu    sync.Mutex
	wants int
	diffs int
	keys  map[string]bool
	all   chan struct{} // closed when those that it wants have come
}

func (a *arrivals) take(event string, payload []byte) {
	var diff struct{ Joins map[string]any }
	if event != "presence_diff" || json.Unmarshal(payload, &diff) != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	before := len(a.keys)
	a.diffs++
	for key := range diff.Joins {
		a.keys[key] = true
	}
	if before < a.wants && len(a.keys) == a.wants {
		close(a.all)
	}
}

// TestAStormOfArrivalsIsAFewDiffs lets 300 members track at once: what comes
// within the pause between two diffs, which grows with the topic, is one of them.
func TestAStormOfArrivalsIsAFewDiffs(t *testing.T) {
	const members, topic = 300, "realtime:storm"
	const pause = 5*time.Millisecond + members*20*time.Microsecond
	s := startServer(t, configFor(appDatabase(t)))
	key := token(t)
	arrived := &arrivals{wants: members, keys: map[string]bool{}, all: make(chan struct{})}
	crowd := make([]*peer, members+1) // the last one watches
	each(len(crowd), 16, func(i int) {
		handle := func(string, []byte) {}
		if i == members {
			handle = arrived.take
		}
		if crowd[i] = s.peer(t, vsnOf(i), key, handle); crowd[i] != nil {
			crowd[i].join(topic, fmt.Sprintf(`{"presence":{"key":"k%d"}}`, i))
		}
	})
	defer each(len(crowd), 16, func(i int) {
		if crowd[i] != nil {
			crowd[i].end()
		}
	})
	if t.Failed() {
		return
	}
	start := time.Now()
	each(members, members, func(i int) {
		crowd[i].send(topic, "presence", `{"type":"presence","event":"track","payload":{}}`)
	})
	select {
	case <-arrived.all:
	case <-time.After(3 * patience):
		t.Fatal("not all have arrived")
	}
	took := time.Since(start)
	arrived.mu.Lock()
	defer arrived.mu.Unlock()
	if most := int(took/pause) + 2; arrived.diffs > most {
		t.Errorf("%d diffs in %s; want %d at most", arrived.diffs, took, most)
	}
	t.Logf("%d arrivals in %d diffs, %s", members, arrived.diffs, took)
}
