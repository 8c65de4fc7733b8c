package gateway

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exchange is one HTTP request of a transcript and its answer.
type exchange struct {
	Section string
	Request struct {
		Method, Path, Upgrade string
		Headers               map[string]string
		Without               []string
	}
	Status  int
	Headers map[string]string
	Body    json.RawMessage // a JSON string where the answer was not JSON
}

// readExchanges reads the HTTP exchanges of a transcript, with its placeholders
// for tokens replaced by tokens made now.
func readExchanges(t *testing.T, path string) []exchange {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []exchange
	section, tokens := "", map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(file))
	lines.Buffer(nil, len(file))
	for lines.Scan() {
		var l transcriptLine
		if err := json.Unmarshal([]byte(fill(lines.Text(), tokens)), &l); err != nil {
			t.Fatalf("%s: %v in %.100s", path, err, lines.Text())
		}
		switch {
		case l.Section != "":
			section = l.Section
		case l.Token != "":
			tokens[l.Token] = mint(t, l)
		case l.Dir == "http":
			e := exchange{Section: section}
			if err := json.Unmarshal(l.Frame, &e); err != nil {
				t.Fatalf("%s: %v in %s", path, err, l.Frame)
			}
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s: no HTTP exchange in it", path)
	}
	return all
}

type transcriptLine struct {
	Section    string
	Token      string
	Header     map[string]any
	Claims     any
	SignedWith string `json:"signed_with"`
	Signature  string
	Dir        string
	Frame      json.RawMessage
}

// fill puts tokens in the place of their names. Names of none are left alone:
// the token's own line.
func fill(line string, tokens map[string]string) string {
	for name, token := range tokens {
		line = strings.ReplaceAll(line, name, token)
	}
	return line
}

var nowPlaceholder = regexp.MustCompile(`"now([+-]\d+)?"`)

// mint makes the token that a line describes.
func mint(t *testing.T, l transcriptLine) string {
	t.Helper()
	encoded, err := json.Marshal(l.Claims)
	if text, raw := l.Claims.(string); raw {
		encoded = []byte(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	claims := nowPlaceholder.ReplaceAllStringFunc(string(encoded), func(s string) string {
		offset, _ := strconv.Atoi(strings.TrimPrefix(strings.Trim(s, `"`), "now"))
		return strconv.FormatInt(time.Now().Unix()+int64(offset), 10)
	})
	header, err := json.Marshal(l.Header)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	token := encode(header) + "." + encode([]byte(claims))
	secret := testSecret
	if l.SignedWith != "" {
		secret = l.SignedWith
	}
	hashes := map[any]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}
	switch h := hashes[l.Header["alg"]]; {
	case l.Signature == "(empty)":
		return token + "."
	case l.Signature != "":
		return token + "." + l.Signature
	case h != nil:
		mac := hmac.New(h, []byte(secret))
		mac.Write([]byte(token))
		return token + "." + encode(mac.Sum(nil))
	}
	return token + "."
}
