package auth

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Claims is a verified token's content. It is shared and read-only.
type Claims struct {
	Role    string          // "role"; "" when it is null
	Subject string          // "sub", may be empty
	Expires time.Time       // from "exp"; in the year 9999 for opaque keys and InsecureAnonymous
	Raw     json.RawMessage // the whole claims object as signed
}

// latest is the last second that RFC 3339 can write. It stands for never, and
// for every later "exp".
const latest = 253402300799

// claimSet is the top level of a claims object. Names match exactly, and the
// last of two equal names wins, as in jsonb.
type claimSet map[string]json.RawMessage

// check applies upstream's rules and the configured ones, in upstream's order.
func (cs claimSet) check(c Config, now time.Time) (expires time.Time, err error) {
	if expires, err = cs.expiry(now); err != nil {
		return expires, err
	}
	if err := cs.started(now); err != nil {
		return expires, err
	}
	if raw, ok := cs["iat"]; ok {
		if _, ok := number(raw); !ok {
			return expires, unnamed("Claim `iat` must be a number")
		}
	}
	if c.Audience != "" && !cs.hasAudience(c.Audience) {
		return expires, unnamed("Claim `aud` does not name the expected audience")
	}
	if c.Issuer != "" && text(cs["iss"]) != c.Issuer {
		return expires, unnamed("Claim `iss` does not name the expected issuer")
	}
	_, role := cs["role"]
	_, exp := cs["exp"]
	if !role || !exp {
		return expires, missingClaims()
	}
	if !isRole(text(cs["role"])) {
		return expires, badRole()
	}
	return expires, nil
}

// maxRole is the length of the longest name that a role of Postgres can have.
const maxRole = 63

// isRole reports whether a role may have the name. Postgres would answer one with
// control characters with an error.
func isRole(name string) bool {
	return len(name) <= maxRole && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// started reads "nbf", which must not be later than the second of now: as exact
// as "exp" is.
func (cs claimSet) started(now time.Time) error {
	raw, ok := cs["nbf"]
	if !ok {
		return nil
	}
	nbf, ok := number(raw)
	if !ok {
		return unnamed("Claim `nbf` must be a number")
	}
	seconds := int64(math.Ceil(max(-latest, min(nbf, latest))))
	if now.Unix() < seconds {
		return early(seconds - now.Unix())
	}
	return nil
}

// expiry reads "exp", which must be later than the second of now. A
// handshake with an expired "exp" that is no whole number gets the generic error,
// as from upstream.
func (cs claimSet) expiry(now time.Time) (time.Time, error) {
	raw, ok := cs["exp"]
	if !ok {
		return time.Time{}, nil
	}
	exp, ok := number(raw)
	if !ok {
		return time.Time{}, unnamed("Claim `exp` must be a number")
	}
	seconds := int64(math.Round(max(-latest, min(exp, latest))))
	if now.Unix() < seconds {
		return time.Unix(seconds, 0).UTC(), nil
	}
	err := expired(now.Unix() - seconds)
	if exp != math.Trunc(exp) {
		err = unnamed(err.Text)
	}
	return time.Time{}, err
}

func (cs claimSet) hasAudience(want string) bool {
	if text(cs["aud"]) == want {
		return true
	}
	var many []string
	if json.Unmarshal(cs["aud"], &many) != nil {
		return false
	}
	for _, a := range many {
		if a == want {
			return true
		}
	}
	return false
}

// number reads a JSON number; null and strings are none.
func number(raw json.RawMessage) (float64, bool) {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// text reads a claim as Postgres' ->> does: strings without quotes, null and
// absent as "", anything else as it stands.
func text(raw json.RawMessage) string {
	var s *string
	if len(raw) == 0 {
		return ""
	}
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	if s == nil {
		return ""
	}
	return *s
}
