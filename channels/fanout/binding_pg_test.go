package fanout

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Some clients give their channel up when they read "error".
func TestABindingThatIsSwitchedOffIsAnErrorOnlyIfItWasTheLast(t *testing.T) {
	f := newFixture(t, messagesTable)
	b := newInbox()
	s := f.subscribe(b, ask{bindings: everyRow + `,{"event":"INSERT","schema":"public","table":"messages"}`}, Start{})
	s.bindings[0].switchOff(false)
	s.bindings[0].switchOff(true)
	if diff := cmp.Diff([]string{"problem too_slow", "stopped too_slow"}, b.wait(t, 2)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if left := s.Bindings(); len(left) > 0 {
		t.Errorf("%d bindings are left; want none, as all are switched off", len(left))
	}
}

func TestABindingThatIsSwitchedOffBesideABrokenOneIsAnError(t *testing.T) {
	f := newFixture(t, messagesTable)
	b := newInbox()
	s := f.subscribe(b, ask{
		bindings: everyRow + `,{"event":"INSERT","schema":"public","table":"messages"},{"event":"DELETE","schema":"public","table":"messages"}`, broken: true,
	}, Start{})
	s.bindings[0].switchOff(false)
	s.bindings[0].switchOff(false)
	if diff := cmp.Diff([]string{"problem too_slow", "stopped too_slow"}, b.wait(t, 2)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if left := s.Bindings(); len(left) != 1 || left[0].Spec.Event != "DELETE" {
		t.Errorf("%d bindings are left; want the broken one, which may be mended", len(left))
	}
}
