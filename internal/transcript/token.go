package transcript

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var nowPlaceholder = regexp.MustCompile(`"now([+-]\d+)?"`)

// Make makes the token, with its times relative to now. The secret signs it
// unless it was recorded with another, or with a signature made up.
func (t Token) Make(secret string, now time.Time) (string, error) {
	var header struct{ Alg string }
	if err := json.Unmarshal(t.Header, &header); err != nil {
		return "", fmt.Errorf("read header of %s: %w", t.Name, err)
	}
	claims := string(t.Claims)
	if strings.HasPrefix(claims, `"`) { // what is no object was written as a string
		if err := json.Unmarshal(t.Claims, &claims); err != nil {
			return "", fmt.Errorf("read claims of %s: %w", t.Name, err)
		}
	}
	claims = nowPlaceholder.ReplaceAllStringFunc(claims, func(s string) string {
		offset, _ := strconv.Atoi(strings.TrimPrefix(strings.Trim(s, `"`), "now")) // "now" alone is 0
		return strconv.FormatInt(now.Unix()+int64(offset), 10)
	})
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode(t.Header) + "." + encode([]byte(claims))
	if t.SignedWith != "" {
		secret = t.SignedWith
	}
	return signed + "." + t.sign(header.Alg, secret, signed), nil
}

func (t Token) sign(algorithm, secret, signed string) string {
	hashes := map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}
	switch h := hashes[algorithm]; {
	case t.Signature == "(empty)":
		return ""
	case t.Signature != "":
		return t.Signature
	case h == nil:
		return ""
	default:
		mac := hmac.New(h, []byte(secret))
		mac.Write([]byte(signed))
		return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
}
