package sql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxDepth bounds nesting: deeper policies are asked of Postgres.
const maxDepth = 100

// parser reads the SQL that pg_get_expr prints and simple bodies of functions,
// with Postgres' precedence. It knows a small part of SQL and refuses the rest.
type parser struct {
	tokens []token
	depth  int
}

// Parse reads an expression.
func Parse(sql string) (Expression, error) {
	p, err := newParser(sql)
	if err != nil {
		return nil, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	return e, p.end()
}

// ParseBody reads the body of an SQL function, "select expression".
func ParseBody(sql string) (Expression, error) {
	p, err := newParser(sql)
	if err != nil {
		return nil, err
	}
	if !p.keyword("select") {
		return nil, p.unexpected()
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if err := p.alias(); err != nil {
		return nil, err
	}
	p.symbol(";")
	return e, p.end()
}

func newParser(sql string) (*parser, error) {
	tokens, err := tokenize(sql)
	if err != nil {
		return nil, err
	}
	return &parser{tokens: tokens}, nil
}

func (p *parser) peek() token { return p.tokens[0] }

// next takes a token; the last one, the end, stays.
func (p *parser) next() token {
	t := p.tokens[0]
	if t.kind != tokenEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *parser) take(kind tokenKind, text string) bool {
	if p.peek().kind == kind && p.peek().text == text {
		p.next()
		return true
	}
	return false
}

func (p *parser) keyword(word string) bool { return p.take(tokenName, word) }
func (p *parser) symbol(s string) bool     { return p.take(tokenSymbol, s) }

func (p *parser) expect(s string) error {
	if !p.symbol(s) {
		return p.unexpected()
	}
	return nil
}

func (p *parser) end() error {
	if p.peek().kind != tokenEnd {
		return p.unexpected()
	}
	return nil
}

// unexpected names the token's kind, not a literal's text.
func (p *parser) unexpected() error {
	switch t := p.peek(); t.kind {
	case tokenEnd:
		return errors.New("unexpected end")
	case tokenString:
		return errors.New("unexpected literal")
	default:
		return fmt.Errorf("unexpected %q", t.text)
	}
}

func (p *parser) or() (Expression, error) { return p.chain("or", p.and) }

func (p *parser) and() (Expression, error) { return p.chain("and", p.not) }

// chain reads operands joined by one word.
func (p *parser) chain(word string, operand func() (Expression, error)) (Expression, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	defer func() { p.depth-- }()
	first, err := operand()
	if err != nil {
		return nil, err
	}
	items := []Expression{first}
	for p.keyword(word) {
		next, err := operand()
		if err != nil {
			return nil, err
		}
		items = append(items, next)
	}
	if len(items) == 1 {
		return first, nil
	}
	return Logic{Or: word == "or", Items: items}, nil
}

func (p *parser) not() (Expression, error) {
	negations := 0
	for p.keyword("not") {
		negations++
	}
	e, err := p.is()
	for ; negations > 0 && err == nil; negations-- {
		e = Not{e}
	}
	return e, err
}

func (p *parser) is() (Expression, error) {
	e, err := p.comparison()
	for err == nil && p.keyword("is") {
		negate := p.keyword("not")
		switch word := p.next(); {
		case word.kind == tokenName && slices.Contains([]string{"null", "true", "false", "unknown"}, word.text):
			e = Is{Arg: e, What: word.text, Negate: negate}
		case word == token{tokenName, "distinct"} && p.keyword("from"):
			e, err = p.distinct(e, negate)
		default:
			err = errors.New("unexpected form of IS")
		}
	}
	return e, err
}

func (p *parser) distinct(left Expression, negate bool) (Expression, error) {
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	var e Expression = Binary{Op: "is distinct from", Left: left, Right: right}
	if negate {
		e = Not{e}
	}
	return e, nil
}

// comparison is not associative in SQL: a = b = c is refused.
func (p *parser) comparison() (Expression, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	if t.kind != tokenSymbol || !slices.Contains([]string{"=", "<>", "!=", "<", "<=", ">", ">="}, t.text) {
		return left, nil
	}
	op := strings.Replace(p.next().text, "!=", "<>", 1)
	if op == "=" && p.keyword("any") {
		items, err := p.parenthesised()
		return AnyOf{left, items}, err
	}
	right, err := p.operand()
	return Binary{op, left, right}, err
}

// operand reads the JSON operators, which bind alike and from the left.
func (p *parser) operand() (Expression, error) {
	e, err := p.unary()
	for err == nil {
		t := p.peek()
		if t.kind != tokenSymbol || !slices.Contains([]string{"->", "->>", "#>", "#>>"}, t.text) {
			break
		}
		p.next()
		var right Expression
		right, err = p.unary()
		e = Binary{t.text, e, right}
	}
	return e, err
}

func (p *parser) unary() (Expression, error) {
	e, err := p.primary()
	for err == nil && p.symbol("::") {
		var t TypeName
		t, err = p.typeName()
		e = Cast{e, t}
	}
	return e, err
}

func (p *parser) primary() (Expression, error) {
	switch t := p.peek(); t.kind {
	case tokenString:
		p.next()
		return Literal{t.text, literalString}, nil
	case tokenNumber:
		p.next()
		return Literal{t.text, literalNumber}, nil
	case tokenQuoted:
		return p.name()
	case tokenName:
		return p.word(t.text)
	case tokenSymbol:
		if t.text == "(" {
			return p.parenthesised()
		}
	}
	return nil, p.unexpected()
}

// word reads what starts with a keyword or an unquoted name.
func (p *parser) word(text string) (Expression, error) {
	switch text {
	case "true", "false":
		p.next()
		return Literal{text, literalBool}, nil
	case "null":
		p.next()
		return Literal{text, literalNull}, nil
	case "current_user", "current_role", "user":
		p.next()
		return CurrentUser{}, nil
	case "array":
		p.next()
		items, err := p.list("[", "]")
		return Array{items}, err
	}
	if isSyntax(text) {
		p.next()
		args, err := p.list("(", ")")
		return Call{[]string{text}, args}, err
	}
	if reserved(text) {
		return nil, p.unexpected()
	}
	return p.name()
}

// isSyntax tells what looks like a function but is none.
func isSyntax(name string) bool { return name == "coalesce" || name == "nullif" }

// reserved are the words that start something else than a column or a call.
func reserved(word string) bool {
	return slices.Contains([]string{
		"all", "and", "any", "as", "between", "case", "cast", "collate", "cross", "current_catalog", "current_date",
		"current_schema", "current_time", "current_timestamp", "distinct", "else", "end", "except", "exists", "extract",
		"fetch", "for", "from", "full", "grant", "greatest", "group", "grouping", "having", "ilike", "in", "inner",
		"intersect", "interval", "into", "is", "isnull", "join", "lateral", "least", "left", "like", "limit", "localtime",
		"localtimestamp", "natural", "not", "notnull", "offset", "on", "only", "operator", "or", "order", "outer",
		"overlaps", "overlay", "position", "right", "row", "select", "session_user", "similar", "some", "substring",
		"symmetric", "system_user", "table", "then", "to", "treat", "trim", "union", "unique", "using", "values", "when",
		"where", "window", "with", "xmlelement", "xmlforest", "xmlparse",
	}, word)
}

// parenthesised reads (expression) and (select expression), which is the same.
func (p *parser) parenthesised() (Expression, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	selected := p.keyword("select")
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if selected {
		if err := p.alias(); err != nil {
			return nil, err
		}
	}
	return e, p.expect(")")
}

// alias skips "as name".
func (p *parser) alias() error {
	if !p.keyword("as") {
		return nil
	}
	if t := p.next(); t.kind != tokenName && t.kind != tokenQuoted {
		return errors.New("unexpected alias")
	}
	return nil
}

func (p *parser) list(open, shut string) ([]Expression, error) {
	if err := p.expect(open); err != nil {
		return nil, err
	}
	var items []Expression
	for !p.symbol(shut) {
		if len(items) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
	return items, nil
}

// name reads a column or a function call.
func (p *parser) name() (Expression, error) {
	parts := []string{p.next().text}
	for p.symbol(".") {
		t := p.next()
		if t.kind != tokenName && t.kind != tokenQuoted {
			return nil, errors.New("unexpected part of a name")
		}
		parts = append(parts, t.text)
	}
	if p.peek() == (token{tokenSymbol, "("}) {
		if len(parts) == 1 && isSyntax(parts[0]) { // a function of that name, quoted
			return nil, p.unexpected()
		}
		args, err := p.list("(", ")")
		return Call{parts, args}, err
	}
	if len(parts) > 1 { // of another table, or a column's field
		return nil, fmt.Errorf("qualified name %q", strings.Join(parts, "."))
	}
	return Column{parts[0]}, nil
}
