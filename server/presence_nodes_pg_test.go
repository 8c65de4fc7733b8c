package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMembersOfThreeNodesAgree lets clients of both versions come and go on three nodes:
// those that are left see the same, which is what every node says.
func TestMembersOfThreeNodesAgree(t *testing.T) {
	const members, steps = 150, 3
	nodes := startNodes(t, configFor(appDatabase(t)), 3)
	key := token(t)
	crowd := make([]restless, members)
	each(members, 16, func(i int) {
		random := rand.New(rand.NewPCG(2, uint64(i)))
		for range steps {
			crowd[i].step(t, nodes[i%3], key, i, random)
		}
	})
	defer each(members, 16, func(i int) {
		if crowd[i].peer != nil {
			crowd[i].end()
		}
	})
	left := slices.DeleteFunc(slices.Clone(crowd), func(m restless) bool { return m.peer == nil })
	want := ""
	differs := func(m restless) bool { return m.online.sees() != want }
	for deadline := time.Now().Add(6 * patience); ; <-time.After(20 * time.Millisecond) {
		want = nodes[0].present(t, "crowd")
		i := slices.IndexFunc(left, differs)
		if i < 0 && nodes[1].present(t, "crowd") == want && nodes[2].present(t, "crowd") == want {
			break
		}
		switch {
		case time.Now().Before(deadline):
		case i < 0:
			t.Fatal("nodes say different things")
		default:
			t.Fatalf("a member, vsn %s, sees others than there are (-there +seen):\n%s", left[i].vsn, cmp.Diff(want, left[i].online.sees()))
		}
	}
	if len(left) < members/3 || len(want) < 1000 {
		t.Errorf("%d members are left, present are %s; want more of both", len(left), want)
	}
}

// TestPresenceOfPrivateTopicsCrossesNodes shows who is present to those who may read it,
// whichever node they are on, and lets those track who may where they are.
func TestPresenceOfPrivateTopicsCrossesNodes(t *testing.T) {
	db := roomsDatabase(t)
	db.Exec(`insert into members select 'room', usr::uuid from unnest($1::text[]) usr`, []string{userID(1), userID(2), userID(3)})
	nodes := startNodes(t, roomsConfig(db, seldom), 2)
	a, b := nodes[0], nodes[1]
	member := a.user(t, "authenticated", userID(1), "")
	member.mustEnter(`,"presence":{"key":"ann"}`)
	member.next("presence_state")
	track := `{"type":"presence","event":"track","payload":{"n":1}}`
	member.send("2", "realtime:room", "presence", track)
	member.next("presence_diff")

	onB := b.user(t, "authenticated", userID(2), "")
	onB.mustEnter(`,"presence":{"key":"bob"}`)
	if got := string(onB.next("presence_state").Payload); !strings.Contains(got, `"ann":{"metas":[{"phx_ref":`) || !strings.Contains(got, `"n":1`) {
		t.Errorf("the first state on the other node is %s; want ann", got)
	}
	stranger, public := b.user(t, "authenticated", userID(4), ""), b.dial(t, "1.0.0")
	if stranger.enter("") {
		t.Error("who may not read is let in")
	}
	public.send("1", "realtime:room", "phx_join", `{"config":{}}`)
	if got := string(public.next("presence_state").Payload); got != "{}" {
		t.Errorf("the public topic of the name has %s; want nobody", got)
	}
	revoked := b.user(t, "authenticated", userID(3), "")
	revoked.mustEnter(`,"presence":{"key":"eve"}`)
	revoked.next("presence_state")
	revoked.send("2", "realtime:room", "presence", track)
	for _, c := range []*client{member, onB} {
		if got := string(c.next("presence_diff").Payload); !strings.Contains(got, `"joins":{"eve"`) {
			t.Errorf("told %s; want that eve has come", got)
		}
	}
	db.Exec(`delete from members where usr = $1`, userID(3))
	revoked.wantEnded()
	for _, c := range []*client{member, onB} {
		if got := string(c.next("presence_diff").Payload); !strings.Contains(got, `"leaves":{"eve"`) {
			t.Errorf("told %s; want that eve has left", got)
		}
	}
	for i, n := range nodes {
		if got := n.present(t, "room?private=true"); !strings.Contains(got, "ann") || strings.Contains(got, "eve") {
			t.Errorf("node %d says %s; want ann", i, got)
		}
		if got := n.present(t, "room"); got != "{}" {
			t.Errorf("node %d says of the public topic %s; want nobody", i, got)
		}
	}
}

// TestPresenceOverAnExistingNATS has members of two nodes see each other by a server whose
// messages have a megabyte at most, in a room that is larger.
func TestPresenceOverAnExistingNATS(t *testing.T) {
	c := configFor(appDatabase(t))
	c.Cluster.NATSURL = "nats://" + startNATS(t).Addr().String()
	a, b := startServer(t, c), startServer(t, c)
	for _, n := range []*running{a, b} {
		n.wantSample(t, "walcast_cluster_nodes", 2)
	}
	key, text := token(t), strings.Repeat("x", 60_000)
	for i := range 30 {
		p := a.peer(t, "1.0.0", key, func(string, []byte) {})
		if p == nil {
			return
		}
		defer p.end()
		p.join("realtime:crowd", fmt.Sprintf(`{"presence":{"key":"member %d"}}`, i))
		p.send("realtime:crowd", "presence", fmt.Sprintf(`{"type":"presence","event":"track","payload":{"text":%q}}`, text))
	}
	eventually(t, "all are present", func() bool { return strings.Count(a.present(t, "crowd"), `"member `) == 30 })
	o := &online{}
	late := b.peer(t, "2.0.0", key, o.take)
	if late == nil {
		return
	}
	defer late.end()
	late.join("realtime:crowd", `{}`)
	eventually(t, "a client of the other node sees all", func() bool { return o.sees() == a.present(t, "crowd") })
}
