package protocol

// Ref is a client's reference as raw JSON, echoed as it came: `"1"`, `7`, `{}`.
// The empty Ref is null.
type Ref string

// IsNull says whether the client gave no reference, or null.
func (r Ref) IsNull() bool { return r == "" }

// appendTo writes the reference as JSON.
func (r Ref) appendTo(dst []byte) []byte {
	if r == "" {
		return append(dst, "null"...)
	}
	return append(dst, r...)
}
