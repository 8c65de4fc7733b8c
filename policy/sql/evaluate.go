package sql

import "strings"

// Environment is all that an expression without columns can look at.
type Environment struct {
	Role      string
	Claims    string // a JSON object
	Functions Functions
}

// Evaluate gives an expression's value. Its error is ErrUncertain whenever
// Postgres might raise or see something else; columns are always that.
func (env *Environment) Evaluate(e Expression) (Value, error) {
	switch e := e.(type) {
	case Literal:
		return e.value(), nil
	case CurrentUser:
		return Value{family: FamilyName, text: env.Role}, nil
	case Cast:
		v, err := env.Evaluate(e.Arg)
		if err != nil {
			return Value{}, err
		}
		return v.cast(e.Type)
	case Call:
		return env.call(e)
	case Array:
		items, err := env.all(e.Items)
		return Value{family: FamilyOther, array: true, items: items}, err
	case Binary:
		return env.binary(e)
	case AnyOf:
		return env.anyOf(e)
	case Logic:
		return env.logic(e)
	case Not:
		v, err := env.Boolean(e.Arg)
		if err != nil || v.null {
			return v, err
		}
		return truth(v.text == "false"), nil
	case Is:
		return env.is(e)
	}
	return Value{}, ErrUncertain
}

func (e Literal) value() Value {
	switch e.kind {
	case literalNull:
		return Value{family: FamilyUnknown, null: true}
	case literalBool:
		return truth(e.text == "true")
	case literalNumber:
		switch {
		case IsInteger(e.text, 64):
			return Value{family: FamilyInt, text: e.text}
		case isDecimal(e.text):
			return Value{family: FamilyNumeric, text: e.text}
		}
		return Value{family: FamilyOther, text: e.text}
	}
	return Value{family: FamilyUnknown, text: e.text}
}

func (env *Environment) all(items []Expression) ([]Value, error) {
	values := make([]Value, len(items))
	for i, e := range items {
		v, err := env.Evaluate(e)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// Boolean evaluates to a truth value or NULL.
func (env *Environment) Boolean(e Expression) (Value, error) {
	v, err := env.Evaluate(e)
	if err == nil && (v.array || v.unset || v.family != FamilyBool && !(v.null && v.family == FamilyUnknown)) {
		err = ErrUncertain
	}
	return v, err
}

func (env *Environment) call(e Call) (Value, error) {
	switch name := strings.Join(e.Name, "."); {
	case name == "coalesce":
		return env.coalesce(e.Args)
	case name == "nullif" && len(e.Args) == 2:
		return env.nullIf(e.Args[0], e.Args[1])
	case name == "current_setting":
		return env.setting(e.Args)
	case len(e.Name) == 2 && len(e.Args) == 0:
		if f := env.Functions[Qualified(e.Name[0], e.Name[1])]; f != nil && f.body != nil {
			return env.function(f)
		}
	}
	return Value{}, ErrUncertain
}

// function evaluates a body that was recognised. What it returns has the type
// that it declares, or needs a cast that is not looked at here.
func (env *Environment) function(f *function) (Value, error) {
	inner := *env
	inner.Functions = nil // names in a body are found by its caller's search_path
	v, err := inner.Evaluate(f.body)
	if err != nil {
		return Value{}, err
	}
	if v.unset || v.array || FamilyOf(f.returns) == FamilyOther || v.family != FamilyOf(f.returns) {
		return Value{}, ErrUncertain
	}
	return v, nil
}

// coalesce is lazy in Postgres too.
func (env *Environment) coalesce(args []Expression) (Value, error) {
	var last Value
	for _, e := range args {
		v, err := env.Evaluate(e)
		if err != nil || v.unset || v.array {
			return Value{}, ErrUncertain
		}
		if !v.null {
			return v, nil
		}
		last = v
	}
	if len(args) == 0 {
		return Value{}, ErrUncertain
	}
	return last, nil
}

func (env *Environment) nullIf(a, b Expression) (Value, error) {
	values, err := env.all([]Expression{a, b})
	if err != nil {
		return Value{}, err
	}
	v, other := values[0], values[1]
	if !other.textual() || other.null || other.unset {
		return Value{}, ErrUncertain
	}
	if v.unset && other.text == "" {
		return nullOf("text"), nil
	}
	if v.unset || !v.textual() {
		return Value{}, ErrUncertain
	}
	if !v.null && v.text == other.text {
		return nullOf("text"), nil
	}
	return v, nil
}

// setting is current_setting(name [, missing_ok]). The claims are always set;
// the older settings for single claims never are, see session.certain.
func (env *Environment) setting(args []Expression) (Value, error) {
	if len(args) != 1 && len(args) != 2 {
		return Value{}, ErrUncertain
	}
	values, err := env.all(args)
	if err != nil {
		return Value{}, err
	}
	if !values[0].textual() || values[0].null {
		return Value{}, ErrUncertain
	}
	missingOK := len(values) == 2 && values[1].family == FamilyBool && values[1].text == "true"
	switch name := values[0].text; {
	case name == "request.jwt.claims":
		return Value{family: FamilyText, text: env.Claims}, nil
	case missingOK && oldSetting(name):
		return Value{family: FamilyText, unset: true}, nil
	}
	return Value{}, ErrUncertain
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

func (env *Environment) binary(e Binary) (Value, error) {
	values, err := env.all([]Expression{e.Left, e.Right})
	if err != nil {
		return Value{}, err
	}
	left, right := values[0], values[1]
	switch e.Op {
	case "->", "->>", "#>", "#>>":
		return jsonOperator(e.Op, left, right)
	case "is distinct from":
		return distinct(left, right)
	}
	return compare(e.Op, left, right)
}

// jsonOperator looks into claims by name; elements of arrays are left to
// Postgres.
func jsonOperator(op string, left, right Value) (Value, error) {
	if left.family != FamilyJSON && left.family != FamilyJSONB || left.array || right.null || right.unset {
		return Value{}, ErrUncertain
	}
	path := []Value{right}
	if op[0] == '#' {
		if right.family == FamilyUnknown {
			var err error
			if right, err = right.cast("text[]"); err != nil {
				return Value{}, err
			}
		}
		if path = right.items; !right.array || len(path) == 0 {
			return Value{}, ErrUncertain
		}
	}
	doc := left.doc
	if left.null {
		doc = nil
	}
	for _, name := range path {
		if !name.textual() || name.null || doc != nil && doc.kind == '[' {
			return Value{}, ErrUncertain
		}
		doc = doc.field(name.text)
	}
	if op == "->" || op == "#>" {
		return Value{family: left.family, null: doc == nil, doc: doc}, nil
	}
	text, ok, err := doc.scalar()
	return Value{family: FamilyText, null: !ok, text: text}, err
}

func distinct(a, b Value) (Value, error) {
	equal, err := compare("=", a, b)
	switch {
	case err != nil:
		return Value{}, err
	case equal.null:
		return truth(a.null != b.null), nil
	}
	return truth(equal.text == "false"), nil
}

func (env *Environment) anyOf(e AnyOf) (Value, error) {
	values, err := env.all([]Expression{e.Left, e.Array})
	if err != nil {
		return Value{}, err
	}
	if !values[1].array {
		return Value{}, ErrUncertain
	}
	result := truth(false)
	for _, item := range values[1].items {
		equal, err := compare("=", values[0], item)
		switch {
		case err != nil:
			return Value{}, err
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
func (env *Environment) logic(e Logic) (Value, error) {
	result := truth(!e.Or)
	decisive := truth(e.Or).text
	for _, item := range e.Items {
		v, err := env.Boolean(item)
		switch {
		case err != nil:
			return Value{}, err
		case !v.null && v.text == decisive:
			result = v
		case v.null && (result.null || result.text != decisive):
			result = nullOf("boolean")
		}
	}
	return result, nil
}

func (env *Environment) is(e Is) (Value, error) {
	if e.What == "null" {
		v, err := env.Evaluate(e.Arg)
		// A cast to a type that is not known here might still raise.
		if err != nil || v.unset || v.array || v.family == FamilyOther && !v.null {
			return Value{}, ErrUncertain
		}
		return truth(v.null != e.Negate), nil
	}
	v, err := env.Boolean(e.Arg)
	if err != nil {
		return Value{}, err
	}
	holds := !v.null && v.text == e.What || v.null && e.What == "unknown"
	return truth(holds != e.Negate), nil
}
