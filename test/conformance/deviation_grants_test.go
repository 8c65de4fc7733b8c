package conformance

import "fmt"

// grantDeviations say at join what a role does not get; upstream is silent, or
// says so with each row.
func grantDeviations() []deviation {
	return []deviation{
		ungranted("no grants for the role", "anon", "tr_nogrant", "tr_nogrant", "anon"),
		ungranted("no grants for the role", "user1", "tr_nogrant", "tr_nogrant", "authenticated"),
		ungranted("no grants for the role", "service", "tr_nogrant", "tr_nogrant", "service_role"),
		ungranted("grants on some columns (id, a), replica identity full", "service", "tr_colgrant", "tr_colgrant", "service_role"),
		keyless("anon", "anon"),
		keyless("user1", "authenticated"),
		unpoliced("RLS on, no policy at all", "user1", "tr_nopolicy", "authenticated"),
		unpoliced("rows owned by a user; replica identity default", "anon", "tr_own", "anon"),
		unpoliced("rows owned by a user; replica identity full", "anon", "tr_own_full", "anon"),
	}
}

func ungranted(section, conn, topic, table, role string) deviation {
	return told(section, conn, topic, fmt.Sprintf("role %q may not SELECT from \"public\".%q, so changes come without their rows (Error 401). "+
		"To get them: GRANT SELECT ON \"public\".%[2]q TO %[1]q;", role, table))
}

func keyless(conn, role string) deviation {
	return told("grant on one column that is not the key", conn, "tr_colgrant_nopk", fmt.Sprintf("role %q may not SELECT the key of \"public\".\"tr_colgrant_nopk\", "+
		"so changes come without their rows (Error 401). To get them: GRANT SELECT (\"id\") ON \"public\".\"tr_colgrant_nopk\" TO %[1]q;", role))
}

func unpoliced(section, conn, table, role string) deviation {
	return told(section, conn, table, fmt.Sprintf("row-level security of \"public\".%q has no policy that lets role %q SELECT, so none of its rows come. "+
		"To show all of them: CREATE POLICY \"readable by %[2]s\" ON \"public\".%[1]q FOR SELECT TO %[2]q USING (true);", table, role))
}

// told has a warning come before a channel is told that it is subscribed.
func told(section, conn, topic, text string) deviation {
	return deviation{section: section, conn: conn, why: "17", line: subscribed, before: []string{postgresMessage(topic, "ok", "warning: "+text)}}
}
