// Package todos is a page with live messages, who is online and cursors, for walcast dev:
// app.js is all there is to it. It needs nothing of npm at hand, as the modules that it
// imports are here, as npm has them.
package todos

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"walcast/clients/js"
)

//go:embed index.html app.js style.css modules
var files embed.FS

// Message is what the page has somebody say.
type Message struct {
	Ref     string `json:"ref"` // what the page calls it before it has an id, a UUID
	Channel int64  `json:"channel"`
	Author  string `json:"author"`
	Body    string `json:"body"`
}

// maxMessage bounds the bytes of a message that the page sends.
const maxMessage = 64 << 10

// Page serves the page, with a key for its client. insert writes a message and returns
// the id of the transaction, by which the page knows when it has come back.
func Page(key string, insert func(context.Context, Message) (xid string, err error)) http.Handler {
	mux := http.NewServeMux()
	page := template.Must(template.ParseFS(files, "index.html"))
	names, err := json.Marshal(imports())
	if err != nil {
		panic(err) // texts by texts
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, map[string]any{"Key": key, "Imports": template.HTML(names)}) // the browser has gone
	})
	for _, name := range []string{"app.js", "style.css"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) })
	}
	mux.HandleFunc("GET /supabase.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "modules/supabase.js") })
	mux.Handle("GET /client/", http.StripPrefix("/client", http.FileServerFS(sources{js.Files})))
	for _, m := range modules {
		mux.HandleFunc("GET "+m.address(), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			_, _ = w.Write(m.script())
		})
	}
	mux.HandleFunc("POST /messages", func(w http.ResponseWriter, r *http.Request) { say(w, r, insert) })
	return mux
}

// sources are the files of the client module without the list of them.
type sources struct{ fs.FS }

// Open opens a file, no folder.
func (s sources) Open(name string) (fs.File, error) {
	if name == "." {
		return nil, fs.ErrNotExist
	}
	return s.FS.Open(name)
}

// say inserts a message. Pages of other sites cannot ask for it: for JSON a browser asks
// first whether they may.
func say(w http.ResponseWriter, r *http.Request, insert func(context.Context, Message) (string, error)) {
	var m Message
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		http.Error(w, "a message is sent as application/json", http.StatusUnsupportedMediaType)
		return
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxMessage)).Decode(&m); err != nil {
		http.Error(w, fmt.Sprintf("read the message: %v", err), http.StatusBadRequest)
		return
	}
	xid, err := insert(r.Context(), m)
	if err != nil {
		http.Error(w, fmt.Sprintf("insert the message: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"xid": xid})
}
