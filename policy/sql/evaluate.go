package policy

import (
	"strings"
)

// environment is all that an expression without columns can look at.
type environment struct {
	role      string
	claims    string
	functions map[string]*function // by qualified, quoted name
}

// evaluate gives an expression's value. Its error is errUncertain whenever
// Postgres might raise or see something else; columns are always that.
func (env *environment) evaluate(e expression) (value, error) {
	switch e := e.(type) {
	case literal:
		return e.value(), nil
	case currentUser:
		return value{family: familyName, text: env.role}, nil
	case cast:
		v, err := env.evaluate(e.arg)
		if err != nil {
			return value{}, err
		}
		return v.cast(e.typ)
	case call:
		return env.call(e)
	case array:
		items, err := env.all(e.items)
		return value{family: familyOther, array: true, items: items}, err
	case binary:
		return env.binary(e)
	case anyOf:
		return env.anyOf(e)
	case logic:
		return env.logic(e)
	case not:
		v, err := env.boolean(e.arg)
		if err != nil || v.null {
			return v, err
		}
		return truth(v.text == "false"), nil
	case is:
		return env.is(e)
	}
	return value{}, errUncertain
}

func (e literal) value() value {
	switch e.kind {
	case literalNull:
		return value{family: familyUnknown, null: true}
	case literalBool:
		return truth(e.text == "true")
	case literalNumber:
		switch {
		case canonicalInt(e.text, 64):
			return value{family: familyInt, text: e.text}
		case isDecimal(e.text):
			return value{family: familyNumeric, text: e.text}
		}
		return value{family: familyOther, text: e.text}
	}
	return value{family: familyUnknown, text: e.text}
}

func (env *environment) all(items []expression) ([]value, error) {
	values := make([]value, len(items))
	for i, e := range items {
		v, err := env.evaluate(e)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// boolean evaluates to a truth value or NULL.
func (env *environment) boolean(e expression) (value, error) {
	v, err := env.evaluate(e)
	if err == nil && (v.array || v.unset || v.family != familyBool && !(v.null && v.family == familyUnknown)) {
		err = errUncertain
	}
	return v, err
}

func (env *environment) call(e call) (value, error) {
	switch name := strings.Join(e.name, "."); {
	case name == "coalesce":
		return env.coalesce(e.args)
	case name == "nullif" && len(e.args) == 2:
		return env.nullIf(e.args[0], e.args[1])
	case name == "current_setting":
		return env.setting(e.args)
	case len(e.name) == 2 && len(e.args) == 0:
		if f := env.functions[qualified(e.name[0], e.name[1])]; f != nil && f.body != nil {
			return env.function(f)
		}
	}
	return value{}, errUncertain
}

// function evaluates a body that was recognised. What it returns has the type
// that it declares, or needs a cast that is not looked at here.
func (env *environment) function(f *function) (value, error) {
	inner := *env
	inner.functions = nil // names in a body are found by its caller's search_path
	v, err := inner.evaluate(f.body)
	if err != nil {
		return value{}, err
	}
	if v.unset || v.array || familyOf(f.returns) == familyOther || v.family != familyOf(f.returns) {
		return value{}, errUncertain
	}
	return v, nil
}

// coalesce is lazy in Postgres too.
func (env *environment) coalesce(args []expression) (value, error) {
	var last value
	for _, e := range args {
		v, err := env.evaluate(e)
		if err != nil || v.unset || v.array {
			return value{}, errUncertain
		}
		if !v.null {
			return v, nil
		}
		last = v
	}
	if len(args) == 0 {
		return value{}, errUncertain
	}
	return last, nil
}

func (env *environment) nullIf(a, b expression) (value, error) {
	values, err := env.all([]expression{a, b})
	if err != nil {
		return value{}, err
	}
	v, other := values[0], values[1]
	if !other.textual() || other.null || other.unset {
		return value{}, errUncertain
	}
	if v.unset && other.text == "" {
		return nullOf("text"), nil
	}
	if v.unset || !v.textual() {
		return value{}, errUncertain
	}
	if !v.null && v.text == other.text {
		return nullOf("text"), nil
	}
	return v, nil
}

// setting is current_setting(name [, missing_ok]). The claims are always set;
// the older settings for single claims never are, see session.certain.
func (env *environment) setting(args []expression) (value, error) {
	if len(args) != 1 && len(args) != 2 {
		return value{}, errUncertain
	}
	values, err := env.all(args)
	if err != nil {
		return value{}, err
	}
	if !values[0].textual() || values[0].null {
		return value{}, errUncertain
	}
	missingOK := len(values) == 2 && values[1].family == familyBool && values[1].text == "true"
	switch name := values[0].text; {
	case name == "request.jwt.claims":
		return value{family: familyText, text: env.claims}, nil
	case missingOK && oldSetting(name):
		return value{family: familyText, unset: true}, nil
	}
	return value{}, errUncertain
}

// oldSetting tells the settings that PostgREST made for single claims before
// version 9, which the bodies of Supabase's functions still look at.
func oldSetting(name string) bool {
	switch name {
	case "request.jwt.claim", "request.jwt.claim.sub", "request.jwt.claim.role", "request.jwt.claim.email":
		return true
	}
	return false
}

func (env *environment) binary(e binary) (value, error) {
	values, err := env.all([]expression{e.left, e.right})
	if err != nil {
		return value{}, err
	}
	left, right := values[0], values[1]
	switch e.op {
	case "->", "->>", "#>", "#>>":
		return jsonOperator(e.op, left, right)
	case "is distinct from":
		return distinct(left, right)
	}
	return compare(e.op, left, right)
}

// jsonOperator looks into claims by name; elements of arrays are left to
// Postgres.
func jsonOperator(op string, left, right value) (value, error) {
	if left.family != familyJSON && left.family != familyJSONB || left.array || right.null || right.unset {
		return value{}, errUncertain
	}
	path := []value{right}
	if op[0] == '#' {
		if right.family == familyUnknown {
			var err error
			if right, err = right.cast("text[]"); err != nil {
				return value{}, err
			}
		}
		if path = right.items; !right.array || len(path) == 0 {
			return value{}, errUncertain
		}
	}
	doc := left.doc
	if left.null {
		doc = nil
	}
	for _, name := range path {
		if !name.textual() || name.null || doc != nil && doc.kind == '[' {
			return value{}, errUncertain
		}
		doc = doc.field(name.text)
	}
	if op == "->" || op == "#>" {
		return value{family: left.family, null: doc == nil, doc: doc}, nil
	}
	text, ok, err := doc.scalar()
	return value{family: familyText, null: !ok, text: text}, err
}

func distinct(a, b value) (value, error) {
	equal, err := compare("=", a, b)
	switch {
	case err != nil:
		return value{}, err
	case equal.null:
		return truth(a.null != b.null), nil
	}
	return truth(equal.text == "false"), nil
}

func (env *environment) anyOf(e anyOf) (value, error) {
	values, err := env.all([]expression{e.left, e.array})
	if err != nil {
		return value{}, err
	}
	if !values[1].array {
		return value{}, errUncertain
	}
	result := truth(false)
	for _, item := range values[1].items {
		equal, err := compare("=", values[0], item)
		switch {
		case err != nil:
			return value{}, err
		case equal.null:
			result = equal
		case equal.text == "true":
			return equal, nil
		}
	}
	return result, nil
}

// logic is AND and OR; an operand that is uncertain makes all uncertain, as
// Postgres does not say which it looks at first.
func (env *environment) logic(e logic) (value, error) {
	result := truth(!e.or)
	decisive := truth(e.or).text
	for _, item := range e.items {
		v, err := env.boolean(item)
		switch {
		case err != nil:
			return value{}, err
		case !v.null && v.text == decisive:
			result = v
		case v.null && (result.null || result.text != decisive):
			result = nullOf("boolean")
		}
	}
	return result, nil
}

func (env *environment) is(e is) (value, error) {
	if e.what == "null" {
		v, err := env.evaluate(e.arg)
		// A cast to a type that is not known here might still raise.
		if err != nil || v.unset || v.array || v.family == familyOther && !v.null {
			return value{}, errUncertain
		}
		return truth(v.null != e.negate), nil
	}
	v, err := env.boolean(e.arg)
	if err != nil {
		return value{}, err
	}
	holds := !v.null && v.text == e.what || v.null && e.what == "unknown"
	return truth(holds != e.negate), nil
}
