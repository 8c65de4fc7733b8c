package conformance

import "fmt"

const subscribed = "Subscribed to PostgreSQL"

// deleteWarning is what a binding is told whose filter needs a column that the
// old row of a DELETE does not have. As upstream it gets no DELETE, which is
// silent there.
func deleteWarning(topic, joinRef, table, column string) string {
	message := fmt.Sprintf(
		"warning: DELETE on \"public\".%q never matches the filter on %q, as the old row does not have that column. To get it: ALTER TABLE \"public\".%q REPLICA IDENTITY FULL;",
		table, column, table)
	return fmt.Sprintf(`[%q,null,"realtime:%s","system",{"channel":%q,"extension":"postgres_changes","message":%q,"status":"ok"}]`, joinRef, topic, topic, message)
}

// warned has the warning come before a channel is told that it is subscribed.
func warned(section, conn, topic, joinRef, table, column string) deviation {
	return deviation{
		section: section, conn: conn, why: "14",
		line: fmt.Sprintf(`[%q,null,"realtime:%s","system",{"message":"%s"`, joinRef, topic, subscribed), before: []string{deleteWarning(topic, joinRef, table, column)},
	}
}

// postgresMessage is a system event of a channel's bindings.
func postgresMessage(topic, status, message string) string {
	return systemMessage(topic, "postgres_changes", status, message)
}

var postgresDeviations = concat(idDeviations(), eventDeviations(), warningDeviations(), otherRows(), []deviation{
	ungranted("table without grants", "", "pg", "tr_nogrant", "anon"),
	{section: "an id from the client", why: "the last id of two is the server's", replace: `"id":42,`, by: ""},
	{section: "table name with LIKE wildcards: tr_tod_", why: "7", line: subscribed, instead: notServed("tr_tod_")},
	{section: "table name with LIKE wildcards: tr%do", why: "7", line: subscribed, instead: notServed("tr%do")},
	{section: "role null in the token", why: "wording", replace: `role \"null\" does not exist`, by: `role \"\" does not exist`},
	{section: "in with 101 values", why: "wording", replace: `[\n  {\"id\", \"in\",\n   \"{0`, by: `[{\"id\", \"in\", \"{0`},
	{section: "in with 101 values", why: "wording", replace: `100}\",\n   false}\n]`, by: `100}\", false}]`},
	{section: `filter "m=eq.angry"`, why: "wording", replace: "enum tr_mood", by: "enum public.tr_mood"},
	{section: `filter "vc=like.a%"`, why: "6", line: "operator like requires", instead: []string{
		deleteWarning("pg", "1", "tr_todo", "vc"), postgresMessage("pg", "ok", subscribed),
	}},
	{section: `filter "vc=match.a"`, why: "6", line: "operator match requires", instead: []string{
		deleteWarning("pg", "1", "tr_todo", "vc"), postgresMessage("pg", "ok", subscribed),
	}},
	{section: `filter "id=isdistinct.null"`, why: "48", line: "invalid input syntax for type integer", instead: []string{
		postgresMessage("pg", "ok", subscribed),
	}},
	{section: `filter "or=(id.eq.1,id.eq.2)"`, why: "operators beyond upstream's", line: "Error parsing", instead: []string{
		postgresMessage("pg", "ok", subscribed),
	}},
	{section: `filter "arr=cs.{1}"`, why: "operators beyond upstream's", line: "Error parsing", instead: []string{
		deleteWarning("pg", "1", "tr_todo", "arr"), postgresMessage("pg", "ok", subscribed),
	}},
})

func notServed(table string) []string {
	return []string{postgresMessage("pg", "error", fmt.Sprintf(
		"Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given connect parameters: [event: *, schema: public, table: %s, filters: [], select: nil]", table))}
}

func eventDeviations() (all []deviation) {
	for _, event := range []string{`"bogus"`, `""`, "5", `["INSERT"]`} {
		all = append(all, deviation{section: "event " + event, why: "8", line: subscribed, instead: []string{
			postgresMessage("pg", "error", "Error parsing `event` params: expected *, INSERT, UPDATE, DELETE or TRUNCATE, got: "+event),
		}})
	}
	return all
}

// warningDeviations are the filters on columns of tr_todo that are not its key.
func warningDeviations() (all []deviation) {
	for _, column := range []string{"title", "done", "ts", "u", "vc", "m", "js"} {
		all = append(all, warned(`filter "`+column+`=…`, "", "pg", "1", "tr_todo", column))
	}
	return append(all,
		warned(`filter "id=eq.1 , title=eq.x"`, "", "pg", "1", "tr_todo", "title"),
		warned("select and filter on a column that is not selected", "", "pg", "1", "tr_todo", "n"),
	)
}

// otherRows came from sections that were recorded at the same time.
func otherRows() (all []deviation) {
	for _, section := range []string{"schema only", "schema '*'", "schema '*', table '*'", "table '*'"} {
		all = append(all, deviation{section: section, why: "rows of another section", line: `"tr_ids"`, drop: true})
	}
	return append(all, deviation{section: "ids in events…", why: "rows of another section", line: "not listened to", drop: true})
}

// idDeviations list an id once, and in another order.
func idDeviations() (all []deviation) {
	const section = "ids in events: one row, several bindings that match, two clients"
	for recorded, here := range map[string]string{
		`"<id-74307548>","<id-10885285>","<id-13369623>","<id-106110207>","<id-10885285>"`: `"<id-10885285>","<id-74307548>","<id-13369623>","<id-106110207>"`,
		`"<id-74307548>","<id-10885285>","<id-13369623>","<id-103557648>","<id-10885285>"`: `"<id-10885285>","<id-74307548>","<id-13369623>","<id-103557648>"`,
		`"<id-74307548>","<id-10885285>","<id-13369623>","<id-10885285>"`:                  `"<id-10885285>","<id-74307548>","<id-13369623>"`,
		`"<id-126330750>","<id-10885285>"`:                                                 `"<id-10885285>","<id-126330750>"`,
	} {
		all = append(all, deviation{section: section, why: "50", replace: recorded, by: here})
	}
	return all
}
