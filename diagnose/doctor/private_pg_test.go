package doctor

import (
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/migrations"
)

// TestWhatPrivateChannelsNeedIsChecked, step by step until they work.
func TestWhatPrivateChannelsNeedIsChecked(t *testing.T) {
	l := newLab(t, healthy)
	about := About{Table, "realtime.messages"}
	l.want(l.examine(), Finding{Code: "private_channels", Verdict: OK, About: about, Reason: "there is no such table", Advice: "run walcast migrate"})

	conn, err := pgx.Connect(t.Context(), l.db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := migrations.Apply(t.Context(), conn, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	l.want(l.examine(), Finding{Code: "private_not_granted", Verdict: Warning, About: about, Reason: "all joins of private channels are refused", Advice: "walcast migrate --grant-to $role"})

	if serving, err := migrations.GrantTo(t.Context(), conn, l.role); err != nil || len(serving.Refused) > 0 {
		t.Fatalf("GrantTo = %+v, %v", serving, err)
	}
	l.want(l.examine(), Finding{Code: "private_channels", Verdict: OK, About: about, Reason: "clients can join private channels"})

	l.run("drop table realtime." + time.Now().UTC().Format("messages_2006_01_02"))
	l.want(l.examine(), Finding{Code: "private_no_partition", Verdict: Warning, About: about, Reason: "it has no partition for today", Advice: "start walcast, which makes partitions"})
}
