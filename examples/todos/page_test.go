package todos

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

// ask sends a request to the page, whose messages are refused if they say "no".
func ask(t *testing.T, method, address, contentType, body string) (status int, text string) {
	t.Helper()
	page := Page("the-key", func(_ context.Context, m Message) (string, error) {
		if m.Body == "no" {
			return "", errors.New("as the test wants")
		}
		return m.Ref + "/" + m.Author + "/" + m.Body, nil
	})
	r := httptest.NewRequest(method, address, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	answer, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(answer)
}

// importPattern finds what a script imports, by name or by address.
var importPattern = regexp.MustCompile(`(?m)^import (?:.* from )?["']([^"']+)["']$`)

func TestEverythingThatThePageImportsIsServed(t *testing.T) {
	_, html := ask(t, http.MethodGet, "/", "", "")
	for _, want := range []string{`key: "the-key"`, `{"imports": {"@walcast/client/react":"/client/react.js","react":"/modules/react.js"`} {
		if !strings.Contains(html, want) {
			t.Errorf("the page has no %s:\n%s", want, html)
		}
	}
	addresses := imports()
	seen := map[string]bool{}
	for due := []string{"/app.js", "/supabase.js", "/style.css"}; len(due) > 0; due = due[1:] {
		if seen[due[0]] {
			continue
		}
		seen[due[0]] = true
		status, text := ask(t, http.MethodGet, due[0], "", "")
		if status != http.StatusOK || text == "" {
			t.Errorf("GET %s is answered with %d and %d bytes", due[0], status, len(text))
		}
		for _, found := range importPattern.FindAllStringSubmatch(text, -1) {
			address, named := addresses[found[1]]
			if !named {
				address = path.Join(path.Dir(due[0]), found[1])
			}
			due = append(due, address)
		}
	}
	if len(seen) < 12 {
		t.Errorf("the page imports no more than %v", seen)
	}
}

func TestOtherFilesAreNotServed(t *testing.T) {
	for _, address := range []string{
		"/page.go", "/index.html", "/client", "/client/", "/client/files.go", "/client/package.json", "/client/..%2f..%2fgo.mod", "/modules/", "/modules/LICENSE-react", "/messages", "/nowhere",
	} {
		if status, _ := ask(t, http.MethodGet, address, "", ""); status == http.StatusOK {
			t.Errorf("GET %s is served", address)
		}
	}
}

func TestMessagesAreInserted(t *testing.T) {
	const ours = "application/json"
	for _, c := range []struct {
		contentType, body string
		status            int
		text              string
	}{
		{ours, `{"ref":"r","channel":42,"author":"Ada","body":"hello"}`, http.StatusOK, `{"xid":"r/Ada/hello"}`},
		{ours, `{"body":"no"}`, http.StatusInternalServerError, "insert the message: as the test wants"},
		{ours, `{"body":`, http.StatusBadRequest, "read the message: unexpected EOF"},
		{ours, `{"body":"` + strings.Repeat("x", maxMessage) + `"}`, http.StatusBadRequest, "read the message: http: request body too large"},
		{"text/plain", `{"body":"of another site"}`, http.StatusUnsupportedMediaType, "a message is sent as application/json"},
	} {
		if status, text := ask(t, http.MethodPost, "/messages", c.contentType, c.body); status != c.status || strings.TrimSpace(text) != c.text {
			t.Errorf("%.40s is answered with %d %q; want %d %q", c.body, status, text, c.status, c.text)
		}
	}
}
