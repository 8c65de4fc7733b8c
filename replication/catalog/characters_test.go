package catalog

import (
	"slices"
	"testing"
)

// Texts as Postgres stores them, cut into their characters.
func TestCharactersOfEveryEncodingHaveTheirLength(t *testing.T) {
	for encoding, characters := range map[string][]string{
		"WIN1252":       {"a", "\x81", "\xfc"},
		"LATIN1":        {"\xe9", "b"},
		"EUC_KR":        {"a", "\xb0\xa1", "b"},
		"EUC_CN":        {"\xb0\xa1", "\xd6\xd0"},
		"EUC_JP":        {"\xa4\xa2", "\x8e\xb1", "\x8f\xb0\xa1", "c"},
		"EUC_JIS_2004":  {"\xa4\xa2", "\x8f\xb0\xa1"},
		"EUC_TW":        {"\xa4\xa1", "\x8e\xa2\xa1\xa1", "d"},
		"MULE_INTERNAL": {"\x81\xe9", "\x92\xa4\xa2", "\x9c\xf0\xa1\xa2", "e"},
	} {
		var got []string
		for rest := slices.Concat(bytesOf(characters)...); len(rest) > 0; {
			n := min(characterLength(encoding, string(rest)), len(rest))
			got = append(got, string(rest[:n]))
			rest = rest[n:]
		}
		if !slices.Equal(got, characters) {
			t.Errorf("%s: %q; want %q", encoding, got, characters)
		}
	}
}

func bytesOf(texts []string) (all [][]byte) {
	for _, text := range texts {
		all = append(all, []byte(text))
	}
	return all
}
