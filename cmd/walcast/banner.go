package main

import (
	"fmt"
	"io"
	"text/template"
)

// banner is what dev prints: everything to copy.
type banner struct {
	URL, AnonKey, ServiceKey, JWTSecret, Database, DataDir string
}

// snippet is a whole program. Node below 22 has no WebSocket of its own, so it
// takes ws there.
const snippet = `import { createClient } from '@supabase/supabase-js'
const transport = globalThis.WebSocket ?? (await import('ws')).default

const client = createClient('{{.URL}}', '{{.AnonKey}}', { realtime: { transport } })

client
  .channel('chat-42')
  .on('postgres_changes', { event: '*', schema: 'public', table: 'messages', filter: 'channel_id=eq.42' },
    change => console.log(change.eventType, change.new, change.old))
  .on('system', {}, ({ status, message, fix = '' }) => console.log(status, message, fix))
  .subscribe((status, err) => console.log(status, err ?? ''))
`

// page is the banner's text.
var page = template.Must(template.New("banner").Parse(`
walcast is serving a private Postgres{{with .DataDir}} kept in {{.}}{{else}} that is gone when it stops{{end}}.

Open {{.URL}} in two windows: they see each other, and every row.

  URL           {{.URL}}
  anon key      {{.AnonKey}}
  service key   {{.ServiceKey}}
  JWT secret    {{.JWTSecret}}

Change something:

  psql "{{.Database}}" -c "insert into messages (channel_id, body) values (42, 'hello')"

See it arrive:

  curl -N '{{.URL}}/realtime/v1/sse?topic=chat-42&table=messages&filter=channel_id=eq.42&apikey={{.AnonKey}}'

or save this as demo.mjs, then: npm i @supabase/supabase-js ws && node demo.mjs

` + snippet + `
Ctrl-C stops everything.

`))

func (b banner) print(w io.Writer) error {
	if err := page.Execute(w, b); err != nil {
		return fmt.Errorf("print banner: %w", err)
	}
	return nil
}
