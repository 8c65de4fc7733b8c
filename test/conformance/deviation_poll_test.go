package conformance

import (
	"fmt"
	"strings"
)

// rowOf is a frame of a change with columns "name type,name type".
func rowOf(topic, table, kind, columns, row, id string) string {
	var list []string
	for c := range strings.SplitSeq(columns, ",") {
		name, typ, _ := strings.Cut(c, " ")
		list = append(list, fmt.Sprintf(`{"name":%q,"type":%q}`, name, typ))
	}
	return fmt.Sprintf(
		`[null,null,"realtime:%s","postgres_changes",{"data":{"table":%q,"type":%q,%s,"columns":[%s],"errors":null,"schema":"public","commit_timestamp":"<now>"},"ids":[%q]}]`,
		topic, table, kind, row, strings.Join(list, ","), id)
}

// badRow is a row of tr_bad, where one column is not null.
func badRow(id int, column, value, binding string) string {
	row := map[string]string{"arr": "null", "js": "null", "pt": "null", "x": "null", "t": "null"}
	row[column] = value
	record := fmt.Sprintf(`"record":{"id":%d,"arr":%s,"js":%s,"pt":%s,"x":%s,"t":%s}`, id, row["arr"], row["js"], row["pt"], row["x"], row["t"])
	topic := "innocent"
	if binding == "<id-900>" {
		topic = "bad"
	}
	return rowOf(topic, "tr_bad", "INSERT", "id int4,arr _int4,js json,pt point,x xml,t text", record, binding)
}

// brokenPolls are filters that make upstream's poll fail, with the changes of
// everybody in it. Here all other subscribers get everything.
func brokenPolls() (all []deviation) {
	other := func(id int, text string) string {
		return rowOf("innocent", "tr_upd", "INSERT", "id int4,i int4,t text", fmt.Sprintf(`"record":{"id":%d,"i":1,"t":%q}`, id, text), "<id-193>")
	}
	for _, c := range []struct{ filter, column, value, literal, typ string }{
		{"arr=…", "arr", "[1]", "", ""},
		{"js=…", "js", "{}", "{}", "json"},
		{"pt=…", "pt", `"(1,2)"`, "(1,2)", "point"},
		{"x=…", "x", `"<a/>"`, "<a/>", "xml"},
	} {
		section := "a filter that the server accepts but cannot evaluate: " + c.filter
		same := func(id int) string { return badRow(id, c.column, c.value, "<id-194>") }
		null := badRow(4, "t", `"the filtered column is null"`, "<id-194>")
		if c.column == "arr" { // only the poll with the row fails
			all = append(all,
				deviation{section: section, conn: "bad", why: "1", line: subscribed, last: []string{badRow(2, "arr", "[1]", "<id-900>")}},
				deviation{section: section, conn: "other-table", why: "1", line: `"after"`, before: []string{other(2, "same transaction")}},
				deviation{section: section, conn: "same-table", why: "1", line: `"id": 4`, before: []string{same(2)}},
				deviation{section: section, conn: "same-table", why: "1", line: `"id": 6`, before: []string{same(5)}},
			)
			continue
		}
		all = append(all,
			deviation{section: section, conn: "bad", why: "told at join", line: subscribed, instead: []string{noOperator(c.column, c.literal, c.typ)}},
			deviation{section: section, conn: "other-table", why: "1", line: `"before"`, last: []string{other(2, "same transaction"), other(3, "after")}},
			deviation{section: section, conn: "same-table", why: "1", line: `"id": 6`, before: []string{same(2), null, same(5)}},
		)
	}
	return all
}

func noOperator(column, literal, typ string) string {
	return systemMessage("bad", "postgres_changes", "error", fmt.Sprintf(
		`Unable to subscribe to changes with given parameters. An exception happened so please check your connect parameters: `+
			`[event: *, schema: public, table: tr_bad, filters: [{"%s", "eq", "%s", false}], select: nil]. `+
			`Exception: ERROR 42883 (undefined_function) operator does not exist: %s = %s`, column, literal, typ, typ))
}
