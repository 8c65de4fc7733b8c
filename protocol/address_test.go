package protocol

import "testing"

func TestAddressFramesCarryJoinRefAndTopic(t *testing.T) {
	a := Address{Version: V2, Topic: "realtime:room1", JoinRef: `"3"`}
	for _, c := range []struct {
		name  string
		frame *Frame
		want  string
	}{
		{"push", a.Push(EventPresenceState, EmptyObject), `["3",null,"realtime:room1","presence_state",{}]`},
		{
			"system", a.System(ExtensionSystem, StatusOK, "hello"),
			`["3",null,"realtime:room1","system",{"message":"hello","status":"ok","extension":"system","channel":"room1"}]`,
		},
		{
			"problem", a.Problem(StatusError, Problem{Message: "no table", Code: CodeUnknownTable}),
			`["3",null,"realtime:room1","system",{"message":"no table","status":"error","extension":"postgres_changes","channel":"room1","code":"unknown_table"}]`,
		},
		{
			"resync", a.Resync(ResyncDetail{Reason: "gone", Code: "position_too_old", Position: "16/B4000100:7"}),
			`["3",null,"realtime:room1","system",{"message":"resync_required: gone","status":"ok","extension":"postgres_changes","channel":"room1","code":"position_too_old","from":null,"oldest":null,"position":"16/B4000100:7"}]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(c.frame.Payload()); got != c.want {
				t.Errorf("frame = %s; want %s", got, c.want)
			}
		})
	}
}
