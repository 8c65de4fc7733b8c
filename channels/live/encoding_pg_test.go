package live

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
)

// TestASnapshotHasRowsWithTextThatIsNoUTF8: Postgres sends no row at all if one of them
// has a character without UTF-8, so that the snapshot would never come.
func TestASnapshotHasRowsWithTextThatIsNoUTF8(t *testing.T) {
	for encoding, text := range map[string]struct{ bad, good string }{
		"SQL_ASCII": {"\xc3", "\xc3\xa9"}, "WIN1252": {"\x81", "\xe9"}, "EUC_KR": {"\xc9\xa1", "\xb0\xa1"},
	} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			db := devdb.OpenWith(t, "encoding '"+encoding+"' locale 'C' template template0")
			devdb.SupabaseRoles(db)
			db.Exec(`create table notes (id int primary key, note text); grant select on notes to anon; create publication rows for all tables`)
			config, err := pgx.ParseConfig(db.DSN)
			if err != nil {
				t.Fatal(err)
			}
			config.RuntimeParams["client_encoding"] = encoding
			conn, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(t.Context()) }()
			if _, err := conn.PgConn().Exec(t.Context(), "insert into notes values (1, 'a"+text.good+"'), (2, 'b"+text.bad+text.good+"'), (3, 'c')").ReadAll(); err != nil {
				t.Fatal(err)
			}
			l := labOn(t, nil, db).run()
			good := map[string]string{"EUC_KR": "가"}[encoding]
			if good == "" {
				good = "é"
			}
			l.want("anon", "", of("notes", `,"order":"id"`), fmt.Sprintf(`{"id":1,"note":"a%s"}`, good), fmt.Sprintf(`{"id":2,"note":"b`+"\uFFFD"+`%s"}`, good), `{"id":3,"note":"c"}`)
		})
	}
}
