package gateway

import (
	"net/http/httptest"
	"testing"

	"walcast/protocol"
)

// TestARefusedStreamIsToldTheCure beside the reason, as a refused join of a WebSocket is.
func TestARefusedStreamIsToldTheCure(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		body   string
	}{
		{
			protocol.Unserve(protocol.Problem{Message: "no table", Code: protocol.CodeNotPublished, Fix: `ALTER PUBLICATION "p" ADD TABLE "t";`, Cost: "nothing"}), 400,
			`{"error":"RealtimeDisabledForConfiguration: no table","code":"not_published","fix":"ALTER PUBLICATION \"p\" ADD TABLE \"t\";","cost":"nothing"}`,
		},
		{
			protocol.Unserved{Refusal: protocol.Refusal{Code: protocol.CodeSubscribeTimeout, Text: "late"}, Problem: protocol.Problem{Code: protocol.CodeDatabaseAway}},
			503, `{"error":"PostgresChangesSubscribeTimeout: late","code":"database_away"}`,
		},
		{protocol.RefusePrivateOnly, 403, `{"error":"PrivateOnly: This project only allows private channels"}`},
	} {
		w := httptest.NewRecorder()
		rejectJoin(c.err).write(w)
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%v is answered %d %s; want %d %s", c.err, w.Code, w.Body, c.status, c.body)
		}
	}
}
