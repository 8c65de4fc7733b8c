package explain

import (
	"errors"
	"fmt"

	"walcast/filters"
	"walcast/policy"
)

// asRaised is the text of an error with which Postgres answered. It is not ok for others.
func asRaised(err error) (text string, ok bool) {
	var ask *policy.AskError
	if !errors.As(err, &ask) {
		return "", false
	}
	return fmt.Sprintf("%s (SQLSTATE %s)", ask.Text(), ask.SQLState), true
}

// textOf is the text of any error.
func textOf(err error) string {
	if text, ok := asRaised(err); ok {
		return text
	}
	return err.Error()
}

// refusal is the text of an error of a filter.
func refusal(err *filters.BindError) string {
	return fmt.Sprintf("%s (SQLSTATE %s)", err.Message, err.SQLState)
}
