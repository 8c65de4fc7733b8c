package conformance

import "fmt"

// change is a frame of a change on topic rows; row is its record and whatever
// else differs.
func change(kind, table, row, columns, id string) string {
	return fmt.Sprintf(
		`[null,null,"realtime:rows","postgres_changes",{"data":{"table":%q,"type":%q,%s,"columns":%s,"errors":null,"schema":"public","commit_timestamp":"<now>"},"ids":[%q]}]`,
		table, kind, row, columns, id)
}

const (
	columnsAB = `[{"name":"a","type":"int4"},{"name":"b","type":"text"}]`
	columnsID = `[{"name":"id","type":"int4"},{"name":"%s","type":"text"}]`
)

var rowDeviations = concat(wholeValues(), fullOldRows(), cutRows(), renamedColumns(), []deviation{
	{section: "no primary key, replica identity default", why: "17", line: "Error 400", instead: []string{
		change("INSERT", "tr_nopk", `"record":{"a":1,"b":"a"}`, columnsAB, "<id-9>"),
	}},
	{section: "no primary key, replica identity full", why: "17", line: `"INSERT","record":{}`, instead: []string{
		change("INSERT", "tr_nopk_full", `"record":{"a":1,"b":"a"}`, columnsAB, "<id-10>"),
	}},
	{section: "no primary key, replica identity full", why: "17", line: `"UPDATE","record":{}`, instead: []string{
		change("UPDATE", "tr_nopk_full", `"record":{"a":1,"b":"b"},"old_record":{"a":1,"b":"a"}`, columnsAB, "<id-10>"),
	}},
	{section: "unchanged and changed TOAST value in UPDATE, replica identity default", why: "19", line: `"record":{"id": 1, "small": "s2"}`, replace: `"errors":null`, by: `"errors":null,"unchanged":["big"]`},
	{section: "row-level security on, replica identity default, subject owns the row", why: "19", line: `"UPDATE"`, replace: `"errors":null`, by: `"errors":null,"unchanged":["big"]`},
	{section: "generated and identity columns", why: "pgoutput leaves generated columns out", replace: `"b": 42, `},
	{section: "generated and identity columns", why: "pgoutput leaves generated columns out", replace: `"b": 44, `},
	{section: "generated and identity columns", why: "pgoutput leaves generated columns out", replace: `{"name": "b", "type": "int4"}, `},
	{section: "generated and identity columns", why: "the sequence is a fresh one", replace: `"c": 4`, by: `"c": 1`},
	{
		section: "filters on such columns", why: "14", line: subscribed,
		before: []string{deleteWarning("rows", "1", "Tr Mixed Case", "Some Col")},
	},
	{section: "select:…", why: "the order of ids", line: `"UPDATE"`, replace: `"<id-27>","<id-25>"`, by: `"<id-25>","<id-27>"`},
	{section: "subscriber that comes late, and one that has left", why: "no polling", line: "before the join", drop: true},
})

// wholeValues are char(n), bit(n), NaN and infinities as they are.
func wholeValues() (all []deviation) {
	for _, section := range []string{"all types…", "the same in vsn 1.0.0"} {
		all = append(all,
			deviation{section: section, why: "2", replace: `"c_bit3": "1"`, by: `"c_bit3": "101"`},
			deviation{section: section, why: "2", replace: `"c_char5": "a"`, by: `"c_char5": "ab   "`},
		)
	}
	return append(all,
		deviation{section: "odd values of many types", why: "2", replace: `"c_char5": " "`, by: `"c_char5": "     "`},
		deviation{section: "odd values of many types", why: "2", replace: `"c_char5": "a"`, by: `"c_char5": "abcde"`},
		deviation{section: "odd values of many types", why: "4", line: "9223372036854775808", replace: `"c_float4": null`, by: `"c_float4": "NaN"`},
		deviation{section: "odd values of many types", why: "4", line: "9223372036854775808", replace: `"c_float8": null`, by: `"c_float8": "Infinity"`},
		deviation{section: "odd values of many types", why: "4", line: "9223372036854775808", replace: `"c_numeric": null`, by: `"c_numeric": "NaN"`},
		deviation{section: "odd values of many types", why: "4", line: "9007199254740993", replace: `"c_float4": null`, by: `"c_float4": "-Infinity"`},
		deviation{section: "odd values of many types", why: "4", line: "9007199254740993", replace: `"c_numeric": null`, by: `"c_numeric": "-Infinity"`},
	)
}

// fullOldRows are shown to those who could see them.
func fullOldRows() []deviation {
	const deleted = `"old_record":{"id": `
	return []deviation{
		{
			section: "row-level security on, replica identity full, subject owns the row", why: "12", replace: deleted + "2}",
			by: deleted + `2, "owner": "00000000-0000-4000-8000-000000000001", "body": "mine too", "big": "tttttttt<elided: 3000 bytes in all>tttttttt"}`,
		},
		{section: "row-level security on, replica identity full, subject owns the row", why: "15", line: deleted + "3}", drop: true},
		{
			section: "row-level security on, replica identity full, service_role", why: "12", line: `"DELETE"`, replace: deleted + "11}",
			by: deleted + `11, "owner": "00000000-0000-4000-8000-000000000001", "body": "y", "big": null}`,
		},
	}
}

// cutRows keep NULLs and say what they lack. Sizes are those of the values.
func cutRows() []deviation {
	const section, errors = "row over 1 MB", `"errors":["Error 413: Payload Too Large"]`
	note := func(n string) string { return `"note": "nnnnnnnn<elided: 63 bytes in all>nnnnnnnn", ` + n }
	return []deviation{
		{section: section, why: "19", line: `"id": 1,`, replace: errors, by: errors + `,"truncated":["body"]`},
		{section: section, why: "19", line: `"id": 2}`, replace: errors, by: errors + `,"truncated":["body","j"]`},
		{section: section, why: "19", line: errors, replace: `"n": 5, "id": 1`, by: `"n": 5, "z": null, "id": 1`},
		{section: section, why: "19", line: errors, replace: `"n": 6, "id": 1`, by: `"n": 6, "z": null, "id": 1`},
		{section: section, why: "19", replace: `"z": "", "id": 2`, by: note(`"z": "", "id": 2`)},
		{section: "filter on a row over 1 MB", why: "19", replace: `"n": 77`, by: `"d": null, "z": null, "j": null, "n": 77`},
		{section: "filter on a row over 1 MB", why: "19", replace: errors, by: errors + `,"truncated":["body"]`},
		{section: "rows close to the limit of 1048576", why: "19", replace: `{"id": 1048000}`, by: `{"id": 1048000, "body": "bbbbbbbb<elided: 1048000 bytes in all>bbbbbbbb", "note": null, "n": null, "d": null, "z": null, "j": null}`},
		{section: "rows close to the limit of 1048576", why: "19", replace: errors, by: `"errors":null`},
	}
}

// renamedColumns lose nothing: a row has the columns that its table had when it was written.
func renamedColumns() []deviation {
	const renamed = "columns renamed inside a transaction: the poll fails and its changes are lost for everybody"
	row := func(id int, column, value string) string {
		return change("INSERT", "tr_alter", fmt.Sprintf(`"record":{"id":%d,%q:%q}`, id, column, value), fmt.Sprintf(columnsID, column), "<id-19>")
	}
	return []deviation{
		{section: renamed, conn: "a", why: "no polling", line: `"id": 16`, before: []string{row(14, "v", "before the change of columns"), row(15, "w", "after")}},
		{section: renamed, conn: "innocent", why: "no polling", line: `"id": 15`, before: []string{
			change("INSERT", "tr_pk", `"record":{"id":14,"v":"same transaction"}`, fmt.Sprintf(columnsID, "v"), "<id-13>"),
		}},
		{section: "a write and a change of columns right after it, before the next poll", why: "no polling", line: `"id": 25`, before: []string{row(24, "v", "x")}},
	}
}
