package rowjson

import "strings"

// appendHstore appends "a"=>"1", "b c"=>NULL as an object of strings.
func appendHstore(dst []byte, text string) ([]byte, bool) {
	dst = append(dst, '{')
	for isNext, ok := false, false; text != ""; isNext = true {
		if isNext {
			dst = append(dst, ',')
		}
		if dst, text, ok = appendHstorePair(dst, text); !ok {
			return dst, false
		}
		text = strings.TrimPrefix(text, ", ")
	}
	return append(dst, '}'), true
}

func appendHstorePair(dst []byte, text string) (_ []byte, rest string, ok bool) {
	quoted, isQuoted := strings.CutPrefix(text, `"`)
	key, rest, isClosed := unquote(quoted, false)
	value, isPair := strings.CutPrefix(rest, "=>")
	if !isQuoted || !isClosed || !isPair {
		return dst, "", false
	}
	dst = appendString(dst, key)
	dst = append(dst, ':')
	if rest, ok := strings.CutPrefix(value, "NULL"); ok {
		return append(dst, "null"...), rest, true
	}
	if quoted, ok = strings.CutPrefix(value, `"`); !ok {
		return dst, "", false
	}
	value, rest, ok = unquote(quoted, false)
	return appendString(dst, value), rest, ok
}
