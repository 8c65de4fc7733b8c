package conformance

var connectOmissions = []omission{
	{"gateway path /realtime/v1/websocket", "41: it is served here; gateway plays the handshake"},
}

var connectDeviations = []deviation{
	{section: "wrong path /", why: "there is no page to look at", line: `"path":"/?`, instead: []string{`{"status":404}`}},
	{section: "long poll", why: "there is no long polling", line: `"path":"/socket/longpoll`, instead: []string{`{"status":404}`}},
}

var stopDeviations = []deviation{
	{section: "SIGTERM to the server while sockets are open", conn: "unjoined", why: "everybody is told", replace: "1006", by: "1012"},
}

var httpOmissions = []omission{
	{"openapi, swagger", "there is none"},
	{"metrics: auth variants", "metrics have a listener of their own in the place of a token"},
	{"tenants: auth variants", "there is one project, without an API to change it"},
	{"tenants: list, create, read", "as above"},
	{"tenants: create one whose database", "as above"},
	{"the tenant in use", "as above"},
	{"reload: connected sockets", "as above"},
	{"shutdown: the database connection", "as above"},
	{"private_only, suspend, presence_enabled", "as above"},
}

var httpDeviations = []deviation{
	{section: "ping, health, root, unknown paths", why: "one project answers on any host", line: "nosuchtenant", instead: []string{`{"status":200,"body":{"message":"Success"}}`}},
	{section: "ping, health, root, unknown paths", why: "there is no page to look at", line: `"path":"/"}`, instead: []string{`{"status":404}`}},
	{section: "ping, health, root, unknown paths", why: "there is no page to look at", line: `"path":"/status"`, instead: []string{`{"status":404}`}},
	{section: "ping, health, root, unknown paths", why: "41", line: `"path":"/realtime/v1/api/ping"`, instead: []string{`{"status":200,"body":{"message":"Success"}}`}},
	{section: "CORS", why: "41", line: `"OPTIONS","path":"/api/broadcast`, instead: []string{`{"status":204,"body":""}`}},
	{section: "CORS", why: "41", line: `"OPTIONS","path":"/api/ping`, instead: []string{`{"status":204,"body":""}`}},
	{section: "CORS", why: "there is no long polling", line: `"path":"/socket/longpoll"`, instead: []string{`{"status":404}`}},
}
