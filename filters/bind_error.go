package filters

import "fmt"

// BindError says why a filter cannot work on a table (docs/protocol.md, "Texts of
// errors").
type BindError struct {
	SQLState  string // "P0001", "22P02"
	Condition string // "raise_exception", "invalid_text_representation"
	Message   string // as Postgres words it, then a blank line and the detail if there is one
	Lacks     string // the column that the table does not have; "" for other reasons
}

func (e *BindError) Error() string { return e.Message }

// TimedOut reports whether Postgres was asked and took too long.
func (e *BindError) TimedOut() bool { return e.SQLState == "57014" }

// NewBindError returns the error of an SQLSTATE, with the name of its condition.
func NewBindError(sqlState, message string) *BindError {
	return &BindError{SQLState: sqlState, Condition: conditionName(sqlState), Message: message}
}

// raised returns the error that a check of upstream raises.
func raised(format string, args ...any) *BindError {
	return NewBindError("P0001", fmt.Sprintf(format, args...))
}

// invalidColumn returns the error of a filter on a column that the table lacks.
func invalidColumn(name string) *BindError {
	err := raised("invalid column for filter %s", name)
	err.Lacks = name
	return err
}

// conditionName returns the name that Postgres' documentation gives an SQLSTATE
// that literals and operators raise. For any other it returns the SQLSTATE itself.
func conditionName(sqlState string) string {
	switch sqlState {
	case "P0001":
		return "raise_exception"
	case "0A000":
		return "feature_not_supported"
	case "22000":
		return "data_exception"
	case "22003":
		return "numeric_value_out_of_range"
	case "22007":
		return "invalid_datetime_format"
	case "22008":
		return "datetime_field_overflow"
	case "22015":
		return "interval_field_overflow"
	case "22021":
		return "character_not_in_repertoire"
	case "22023":
		return "invalid_parameter_value"
	case "22025":
		return "invalid_escape_sequence"
	case "22030":
		return "duplicate_json_object_key_value"
	case "22032":
		return "invalid_json_text"
	case "2201B":
		return "invalid_regular_expression"
	case "22P02":
		return "invalid_text_representation"
	case "22P03":
		return "invalid_binary_representation"
	case "23514":
		return "check_violation"
	case "23502":
		return "not_null_violation"
	}
	return laterConditionName(sqlState)
}

// laterConditionName continues conditionName, which would be too long otherwise.
func laterConditionName(sqlState string) string {
	switch sqlState {
	case "2200H":
		return "sequence_generator_limit_exceeded"
	case "22P05":
		return "untranslatable_character"
	case "2202E":
		return "array_subscript_error"
	case "2203G":
		return "sql_json_item_cannot_be_cast_to_target_type"
	case "42501":
		return "insufficient_privilege"
	case "42601":
		return "syntax_error"
	case "42704":
		return "undefined_object"
	case "42725":
		return "ambiguous_function"
	case "42804":
		return "datatype_mismatch"
	case "42846":
		return "cannot_coerce"
	case "42883":
		return "undefined_function"
	case "54000":
		return "program_limit_exceeded"
	case "54001":
		return "statement_too_complex"
	}
	return sqlState
}
