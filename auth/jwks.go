package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"

	"github.com/MicahParks/keyfunc/v3"
)

// keySet is a JSON Web Key Set, filed by family and key ID. It is immutable;
// its pointer tells one generation of keys from the next.
type keySet struct {
	raw  string
	keys map[keyID]jwk
}

type keyID struct {
	family family
	kid    string
}

// jwk is one public key or secret: []byte, *rsa.PublicKey, *ecdsa.PublicKey or
// ed25519.PublicKey, as its family says; nil when it cannot be used.
type jwk struct {
	key any
	alg string // the only algorithm it may be used with, "" for any of its family
}

// find returns the key and whether the set has one of that name at all.
func (s *keySet) find(f family, kid string) (jwk, bool) {
	if s == nil {
		return jwk{}, false
	}
	k, ok := s.keys[keyID{f, kid}]
	return k, ok
}

// parseJWKS reads {"keys": […]}; "" is no set. The first of two keys with one
// name wins.
func parseJWKS(raw string) (*keySet, error) {
	if raw == "" {
		return nil, nil
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal([]byte(raw), &set); err != nil || set.Keys == nil {
		// The cause would quote the set, which may hold secrets.
		return nil, errors.New("want a JSON object with an array \"keys\"")
	}
	s := &keySet{raw: raw, keys: make(map[keyID]jwk, len(set.Keys))}
	for _, item := range set.Keys {
		var head struct{ Kty, Kid, Alg string }
		if json.Unmarshal(item, &head) != nil || head.Kid == "" {
			continue
		}
		id := keyID{family(head.Kty), head.Kid}
		if _, ok := s.keys[id]; !ok {
			s.keys[id] = jwk{key: publicKey(item, id.family), alg: head.Alg}
		}
	}
	return s, nil
}

// publicKey decodes one key; a private one gives its public half. It is nil
// when the key is broken or not of the type that its family must have.
func publicKey(item json.RawMessage, f family) any {
	kf, err := keyfunc.NewJWKJSON(item)
	if err != nil {
		return nil
	}
	all, err := kf.VerificationKeySet(context.Background())
	if err != nil || len(all.Keys) != 1 {
		return nil
	}
	ok := false
	switch k := all.Keys[0].(type) {
	case []byte:
		ok = f == familyHMAC && len(k) > 0
	case *rsa.PublicKey:
		ok = f == familyRSA
	case *ecdsa.PublicKey:
		ok = f == familyEC
	case ed25519.PublicKey:
		ok = f == familyOKP
	}
	if !ok {
		return nil
	}
	return all.Keys[0]
}
