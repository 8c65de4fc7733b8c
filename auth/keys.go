package auth

import "time"

// keys finds the keys with which a token may have been signed, by the rules of
// docs/protocol.md, "Tokens".
type keys struct {
	secrets [][]byte
	static  *keySet
	remote  *remote // nil without a URL
}

// generation changes whenever a token that was good may no longer be.
func (k *keys) generation() *keySet {
	if k.remote == nil {
		return nil
	}
	return k.remote.keys.Load()
}

// verify checks the signature of a token.
func (k *keys) verify(t *token) error {
	alg, ok := algorithmOf(t.alg)
	if !ok {
		return noSigner("")
	}
	candidates, err := k.choose(alg, t)
	if err != nil {
		return err
	}
	if t.signature == nil {
		return badSignature()
	}
	for _, key := range candidates {
		if alg.method.Verify(t.signed, t.signature, key) == nil {
			return nil
		}
	}
	return badSignature()
}

// choose returns the keys to try, at least one. Secrets serve tokens of HMAC
// algorithms only; every other token must name its key.
func (k *keys) choose(alg algorithm, t *token) ([]any, error) {
	named := t.kid != "" && (k.static != nil || k.remote != nil)
	if named {
		if found, ok := k.find(alg.family, t.kid); ok {
			if found.key == nil || !alg.fits(found.key) || (found.alg != "" && found.alg != t.alg) {
				return nil, noSigner(t.kid)
			}
			return []any{found.key}, nil
		}
	}
	switch {
	case alg.family == familyHMAC && len(k.secrets) > 0:
		all := make([]any, len(k.secrets))
		for i, s := range k.secrets {
			all[i] = s
		}
		return all, nil
	case named:
		return nil, noSigner(t.kid)
	}
	return nil, noSigner("")
}

func (k *keys) find(f family, kid string) (jwk, bool) {
	if found, ok := k.static.find(f, kid); ok {
		return found, true
	}
	if k.remote == nil {
		return jwk{}, false
	}
	if found, ok := k.remote.keys.Load().find(f, kid); ok {
		return found, true
	}
	if f == familyHMAC && len(k.secrets) > 0 {
		// Secrets are tried next, and no public URL serves symmetric keys: do
		// not let every token of an old client cause a fetch.
		return jwk{}, false
	}
	k.remote.missing()
	return k.remote.keys.Load().find(f, kid)
}

// seen is a token that was verified before.
type seen struct {
	claims     *Claims
	generation *keySet
}

func (s seen) good(generation *keySet, now time.Time) bool {
	return s.generation == generation && now.Unix() < s.claims.Expires.Unix()
}
