package protocol

import "testing"

func TestProblemsHaveACodeAndMayHaveAFix(t *testing.T) {
	for _, c := range []struct {
		problem Problem
		want    string
	}{
		{
			Problem{Message: "warning: x", Code: CodeNoPolicy, Fix: `CREATE POLICY "a" …;`},
			`{"message":"warning: x","status":"ok","extension":"postgres_changes","channel":"room","code":"no_policy","fix":"CREATE POLICY \"a\" …;"}`,
		},
		{
			Problem{Message: "x", Code: CodeUnknownTable},
			`{"message":"x","status":"ok","extension":"postgres_changes","channel":"room","code":"unknown_table"}`,
		},
	} {
		if got := string(c.problem.payload(ExtensionPostgres, StatusOK, "room")); got != c.want {
			t.Errorf("%+v:\ngot  %s\nwant %s", c.problem, got, c.want)
		}
	}
}
