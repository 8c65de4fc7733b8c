package hostile

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// record makes a stream of n and has what came taken, 10 ms after.
func record(newest bool, n int, came ...int) judged {
	s := &stream{name: "rows", newest: newest}
	start := time.Unix(1000, 0)
	for range n {
		number := s.begin()
		s.done(number, start)
	}
	for _, number := range came {
		s.take(number, start.Add(10*time.Millisecond))
	}
	j := s.judge(time.Time{})
	j.Delays = nil
	return j
}

func TestJudgeFindsWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		what   string
		newest bool
		came   []int
		want   judged
	}{
		{"all came", false, []int{1, 2, 3, 4}, judged{}},
		{"one is missing", false, []int{1, 2, 4}, judged{Missing: 1}},
		{"the last is missing", false, []int{1, 2, 3}, judged{Missing: 1}},
		{"one came twice", false, []int{1, 2, 2, 3, 4}, judged{Twice: 1}},
		{"two changed places", false, []int{1, 3, 2, 4}, judged{Disorder: 1}},
		{"another's came", false, []int{1, 2, -1, 3, 4}, judged{Leaked: 1}},
		{"what was never sent came", false, []int{1, 2, 3, 4, 5}, judged{Leaked: 1}},
		{"some were merged", true, []int{2, 4}, judged{}},
		{"the newest was not told", true, []int{1, 2, 3}, judged{Missing: 1}},
	} {
		want := c.want
		want.Stream, want.Sent = "rows", 4
		if diff := cmp.Diff(want, record(c.newest, 4, c.came...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
}

func TestWhatIsNotCommittedNeedNotCome(t *testing.T) {
	s := &stream{name: "rows"}
	s.done(s.begin(), time.Unix(1000, 0))
	s.begin()
	s.take(1, time.Unix(1001, 0))
	got, want := s.judge(time.Time{}), judged{Stream: "rows", Sent: 1, Delays: []time.Duration{time.Second}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("judge (-want +got):\n%s", diff)
	}
}

func TestWhatWasDoneBeforeTheAttackIsOfTheMachine(t *testing.T) {
	s := &stream{name: "rows"}
	attacked := time.Unix(1000, 0)
	for i, at := range []time.Time{attacked.Add(-time.Second), attacked, attacked.Add(time.Second)} {
		s.done(s.begin(), at)
		s.take(i+1, at.Add(time.Duration(i+1)*time.Millisecond))
	}
	got := fold([]judged{s.judge(attacked)})
	want := []judged{{
		Stream: "rows", Sent: 3, Calm: []time.Duration{time.Millisecond},
		Delays: []time.Duration{2 * time.Millisecond, 3 * time.Millisecond},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("judge (-want +got):\n%s", diff)
	}
}

func TestFoldSumsStreamsOfOneName(t *testing.T) {
	got := fold([]judged{
		{Stream: "rows", Sent: 3, Missing: 1, Delays: []time.Duration{2, 5}},
		{Stream: "others", Sent: 1, Delays: []time.Duration{1}},
		{Stream: "rows", Sent: 3, Twice: 1, Disorder: 1, Leaked: 1, Delays: []time.Duration{1, 3, 4}},
	})
	want := []judged{
		{Stream: "others", Sent: 1, Delays: []time.Duration{1}},
		{Stream: "rows", Sent: 6, Missing: 1, Twice: 1, Disorder: 1, Leaked: 1, Delays: []time.Duration{1, 2, 3, 4, 5}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fold (-want +got):\n%s", diff)
	}
}

func TestQuantile(t *testing.T) {
	var delays []time.Duration
	for i := range 100 {
		delays = append(delays, time.Duration(i+1)*time.Millisecond)
	}
	for share, want := range map[float64]time.Duration{0.5: 51 * time.Millisecond, 0.99: 100 * time.Millisecond, 1: 100 * time.Millisecond} {
		if got := quantile(delays, share); got != want {
			t.Errorf("quantile(%v) = %v, want %v", share, got, want)
		}
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("quantile of none = %v, want 0", got)
	}
}
