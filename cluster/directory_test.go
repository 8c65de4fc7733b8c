package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDirectory(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	node := func(name string, since int) Node {
		return Node{Node: name, Since: start.Add(time.Duration(since) * time.Second)}
	}
	self := node("b:1", 0)
	for _, test := range []struct {
		name       string
		do         func(d *directory) change
		came, left []string
		want       []string
	}{
		{"nobody", func(*directory) change { return change{} }, nil, nil, []string{"b:1"}},
		{"one comes", func(d *directory) change { return d.hear(beat{Run: "1", Node: node("a:1", 0)}, start) }, []string{"a:1"}, nil, []string{"a:1", "b:1"}},
		{"one is heard again", func(d *directory) change {
			d.hear(beat{Run: "1", Node: node("a:1", 0)}, start)
			d.hear(beat{Run: "1", Node: node("a:1", 0)}, start.Add(time.Minute))
			return d.expire(start.Add(time.Minute + goneAfter))
		}, nil, nil, []string{"a:1", "b:1"}},
		{"one is silent", func(d *directory) change {
			d.hear(beat{Run: "1", Node: node("a:1", 0)}, start)
			return d.expire(start.Add(goneAfter + time.Millisecond))
		}, nil, []string{"a:1"}, []string{"b:1"}},
		{"one says bye", func(d *directory) change {
			d.hear(beat{Run: "1", Node: node("a:1", 0)}, start)
			return d.hear(beat{Run: "1", Bye: true, Node: node("a:1", 0)}, start)
		}, nil, []string{"a:1"}, []string{"b:1"}},
		{"one that was killed is there again", func(d *directory) change {
			d.hear(beat{Run: "1", Node: node("c:1", 0)}, start)
			return d.hear(beat{Run: "2", Node: node("c:1", 1)}, start)
		}, []string{"c:1"}, []string{"c:1"}, []string{"b:1", "c:1"}},
		{"bye of nobody", func(d *directory) change { return d.hear(beat{Run: "1", Bye: true, Node: node("a:1", 0)}, start) }, nil, nil, []string{"b:1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var d directory
			c := test.do(&d)
			names := func(nodes []Node) (names []string) {
				for _, n := range nodes {
					names = append(names, n.Node)
				}
				return names
			}
			got := [][]string{names(c.came), names(c.left), names(d.nodes(self))}
			if diff := cmp.Diff([][]string{test.came, test.left, test.want}, got); diff != "" {
				t.Errorf("came, left, there (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDirectoryIsBounded(t *testing.T) {
	var d directory
	for i := range maxNodes + 10 {
		d.hear(beat{Run: fmt.Sprint(i), Node: Node{Node: fmt.Sprint(i)}}, time.Now())
	}
	if got := len(d.nodes(Node{Node: "self"})); got != maxNodes+1 {
		t.Errorf("%d nodes; want %d", got, maxNodes+1)
	}
}
