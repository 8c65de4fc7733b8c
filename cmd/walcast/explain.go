package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"walcast/auth"
	"walcast/diagnose/explain"
	"walcast/replication"
	"walcast/server"
)

type explainCmd struct {
	connectionSettings

	Publication []string `default:"supabase_realtime" placeholder:"NAME" help:"Publications, as serve has them."`

	tokenSettings `group:"Tokens"`
	askedBinding  `group:"Binding"`
	askedSubject  `group:"Subject"`
	askedRow      `group:"Row"`
	JSON          bool `env:"-" name:"json" help:"Print an object in JSON, for programs."`
}

// askedBinding is the binding that is asked about.
type askedBinding struct {
	Table  string   `env:"-" required:"" placeholder:"SCHEMA.TABLE" help:"The table of the binding."`
	Filter string   `env:"-" placeholder:"FILTER" help:"The filter of the binding, such as room=eq.5."`
	Event  string   `env:"-" default:"*" help:"The event of the binding: INSERT, UPDATE, DELETE or *."`
	Select []string `env:"-" placeholder:"COLUMN" help:"The columns that the binding selects."`
}

// askedSubject is whom the client acts as.
type askedSubject struct {
	Token     string `env:"-" xor:"subject" placeholder:"TOKEN" help:"Token of the client, which is verified if a secret or key set is set as serve has it. Others may see command lines: --token-file keeps it from them."`
	TokenFile string `env:"-" xor:"subject" placeholder:"PATH" help:"File with the token; - is standard input."`
	Role      string `env:"-" placeholder:"ROLE" help:"Role that the client acts as, in place of a token."`
	Claims    string `env:"-" placeholder:"JSON" help:"Claims of the client, an object, in place of a token."`
}

// askedRow is the row that is asked about.
type askedRow struct {
	Row    string   `env:"-" xor:"row" placeholder:"JSON" help:"Would the client get this row? An object with a text, a number or null for each column; a column that is missing is taken for NULL."`
	Key    []string `env:"-" xor:"row" sep:"none" placeholder:"COLUMN=VALUE" help:"Would the client get the row that the table has with this key? Again for more columns."`
	Action string   `env:"-" placeholder:"ACTION" help:"What is done to the row: INSERT (which is the default), UPDATE or DELETE."`
}

// Run answers a question. It ends with 0 if the client would get the row, or may get rows
// where none was named, 1 if it would not, and 2 if the database could not be looked at.
func (c *explainCmd) Run(ctx context.Context, term terminal) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	question, err := c.question(os.Stdin)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, examinationLimit)
	defer cancel()
	answer, err := server.Explain(ctx, config, question)
	if err == nil {
		err = c.print(answer, term)
	} else if c.JSON {
		_ = json.NewEncoder(term.out).Encode(map[string]string{"error": err.Error()}) // the exit code says it too
	}
	switch {
	case err != nil:
		return &exitError{exitBlind, err}
	case !answer.IsGot():
		return &exitError{code: exitFailed}
	}
	return nil
}

// config is what serve would have, as far as it concerns the question.
func (c *explainCmd) config() (config server.Config, err error) {
	config = server.DefaultConfig()
	r := replication.DefaultConfig()
	if r.DatabaseURL, err = databaseURL(c.DatabaseURL, c.DatabaseURLFile); err != nil {
		return config, err
	}
	r.Publications = c.Publication
	config.Replication = r
	if config.Auth, err = c.auth(); err != nil {
		return config, err
	}
	return config, named(errors.Join(r.Validate(), config.Auth.Validate()))
}

// auth is how tokens are verified, if anything is set that they are signed with.
func (c *explainCmd) auth() (a auth.Config, err error) {
	t := c.tokenSettings
	if t.InsecureNoAuth = t.InsecureNoAuth || !t.hasKeys(); t.InsecureNoAuth {
		a, err = t.config()
		a.InsecureAnonymous = false
		return a, err
	}
	return t.config()
}

// hasKeys reports whether something is set that tokens are signed with.
func (s tokenSettings) hasKeys() bool {
	return s.JWTSecret != "" || s.JWTSecretFile != "" || len(s.JWTExtraSecrets) > 0 || s.JWTExtraSecretsFile != "" || s.JWKS != "" || s.JWKSFile != "" || s.JWKSURL != ""
}

func (c *explainCmd) question(in io.Reader) (q explain.Question, err error) {
	q = explain.Question{Table: c.Table, Event: c.Event, Filter: c.Filter, Select: c.Select, Role: c.Role, Claims: json.RawMessage(c.Claims), Action: c.Action, Row: json.RawMessage(c.Row)}
	if q.Token, err = c.token(in); err != nil || len(c.Key) == 0 {
		return q, err
	}
	key := map[string]any{}
	for _, pair := range c.Key {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return q, wrong("key", "want COLUMN=VALUE, got %q", pair)
		}
		key[name] = value
	}
	q.Key, err = json.Marshal(key)
	return q, err
}

// token is the token, which may stand in a file.
func (c *explainCmd) token(in io.Reader) (string, error) {
	if c.TokenFile != "-" {
		return secret("token", c.Token, c.TokenFile)
	}
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err == nil && strings.TrimSpace(string(text)) == "" {
		return "", wrong("token-file", "standard input is empty")
	}
	return strings.TrimSpace(string(text)), err
}

func (c *explainCmd) print(a explain.Answer, term terminal) error {
	if !c.JSON {
		return a.WriteText(term.out)
	}
	encoder := json.NewEncoder(term.out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(a)
}
