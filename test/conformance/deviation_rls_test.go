package conformance

import "fmt"

var rlsDeviations = concat(grantDeviations(), deletesOfOthers(), quickChanges(), withoutKey(), oldRows(), []deviation{
	warned("rows with a filter and RLS together", "user1", "tr_own", "1", "tr_own", "body"),
	warned("rows with a filter and RLS together", "user2", "tr_own", "1", "tr_own", "body"),
	{section: raising, conn: "service", why: "1", line: `"type":"DELETE"`, before: []string{
		rowOf("tr_err", "tr_err", "INSERT", "id int4,d int4,body text", `"record":{"id":2,"d":0,"body":"raises"}`, "<id-11>"),
	}},
	{section: raising, conn: "user1", why: "1", line: `"id": 1, "body": "fine"`, last: []string{systemMessage(
		"tr_err", "postgres_changes", "error", "Changes of public.tr_err are not delivered: its row-level security raised ERROR 22012 (the server's log has its text)",
	)}},
})

const (
	raising = "policy that raises an error (division by d); innocent subscribers on another table and another role watch"
	user1ID = "00000000-0000-4000-8000-000000000001"
	user2ID = "00000000-0000-4000-8000-000000000002"
)

// deletesOfOthers go to nobody who provably could not see the row.
func deletesOfOthers() []deviation {
	const deleted = `"type":"DELETE"`
	full := "rows owned by a user; replica identity full"
	return []deviation{
		{section: "rows owned by a user…", conn: "anon", why: "15", line: deleted, drop: true},
		{section: "RLS on, no policy at all", conn: "user1", why: "15", line: deleted, drop: true},
		{section: full, conn: "user1", why: "15", line: deleted, drop: true},
		{section: full, conn: "user2", why: "15", line: `"old_record":{"id": 3}`, drop: true},
		{section: "RLS and no primary key, replica identity full", conn: "user2", why: "15", line: deleted, drop: true},
	}
}

// oldRows are shown in full to those who could see them, to others by their key.
func oldRows() []deviation {
	full := "rows owned by a user; replica identity full"
	owned := func(id int, body, owner string) string {
		return fmt.Sprintf(`"old_record":{"id": %d, "body": %q, "owner": %q}`, id, body, owner)
	}
	return []deviation{
		{section: full, conn: "user2", why: "12", replace: owned(1, "one, changed", user1ID), by: `"old_record":{"id": 1}`},
		{section: full, conn: "user1", why: "12", replace: owned(2, "two", user2ID), by: `"old_record":{"id": 2}`},
		{section: full, why: "12", replace: `"old_record":{"id": 11}`, by: owned(11, "one, changed", user2ID)},
		{section: full, conn: "service", why: "12", replace: `"old_record":{"id": 3}`, by: owned(3, "of nobody here", "00000000-0000-4000-8000-000000000003")},
	}
}

// withoutKey are rows of a table that has no key, seen by their owner.
func withoutKey() []deviation {
	const section, bad = "RLS and no primary key, replica identity full", "Error 400"
	row := func(kind, text string) []string {
		return []string{rowOf("tr_own_nopk", "tr_own_nopk", kind, "owner uuid,body text", text, "<id-3>")}
	}
	record := func(name, body string) string { return fmt.Sprintf(`%q:{"owner":%q,"body":%q}`, name, user1ID, body) }
	return []deviation{
		{section: section, conn: "user2", why: "17", line: bad, drop: true},
		{section: section, conn: "user1", why: "17", line: `"INSERT","record":{}`, instead: row("INSERT", record("record", "x"))},
		{section: section, conn: "user1", why: "17", line: `"UPDATE","record":{}`, instead: row("UPDATE", record("record", "y")+","+record("old_record", "x"))},
		{section: section, conn: "user1", why: "12", line: `"type":"DELETE"`, instead: row("DELETE", record("old_record", "y"))},
	}
}

// quickChanges are seen as they were, not as the table is when polled.
func quickChanges() []deviation {
	const section = "insert and delete at once"
	row := func(id int, body string) string {
		return rowOf("tr_own", "tr_own", "INSERT", "id int4,owner uuid,body text", fmt.Sprintf(`"record":{"id":%d,"owner":%q,"body":%q}`, id, user1ID, body), "<id-1>")
	}
	return []deviation{
		{section: section, why: "16", line: `"old_record":{"id": 20}`, before: []string{row(20, "gone soon")}},
		{section: section, why: "16", line: `"old_record":{"id": 21}`, before: []string{row(21, "x")}},
		{section: section, why: "16", line: `"first"`, before: []string{row(22, "x")}},
		{section: section, why: "16", line: `"old_record":{"id": 24}`, before: []string{row(24, "x")}},
	}
}
