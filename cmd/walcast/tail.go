package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"walcast/internal/subscriber"
)

type tailCmd struct {
	serverSettings

	Table    []string `env:"-" placeholder:"SCHEMA.TABLE" help:"Rows of this table; again for more, SCHEMA.* for a whole schema. Without --table and --topic: those of public."`
	Filter   string   `env:"-" placeholder:"FILTER" help:"Only rows that match, as channel_id=eq.42, of the one table."`
	Event    string   `env:"-" default:"*" enum:"*,INSERT,UPDATE,DELETE,TRUNCATE" help:"Only this kind of change: INSERT, UPDATE, DELETE or TRUNCATE."`
	Snapshot bool     `env:"-" help:"The rows that there are come first. For tables, not whole schemas."`
	Resume   string   `env:"-" placeholder:"POSITION" help:"Go on with what comes after this position, as tail has printed it."`
	Topic    []string `env:"-" placeholder:"TOPIC" help:"Broadcasts and presence of this topic; again for more."`
	Private  bool     `env:"-" help:"The topics are private ones."`
	JSON     bool     `env:"-" name:"json" help:"Print a JSON object on each line, as into a pipe."`
}

// serverSettings say which server to follow, and as whom.
type serverSettings struct {
	Config configFile `placeholder:"PATH" help:"YAML file with settings."`
	tokenSecretSettings

	URL   string `env:"WALCAST_URL" name:"url" default:"http://127.0.0.1:4000" placeholder:"URL" help:"Server to follow."`
	Token string `env:"WALCAST_TOKEN" placeholder:"TOKEN" help:"Token or API key to connect with. Without it one is minted with jwt-secret, for --role and --sub."`
	Role  string `env:"-" default:"service_role" help:"Role of a token that is minted: what comes is what it may see."`
	Sub   string `env:"-" placeholder:"ID" help:"Sub claim of a token that is minted."`
}

// tailTopic is the channel for row changes.
const tailTopic = "walcast-tail"

// Run prints what comes until it is interrupted.
func (c *tailCmd) Run(ctx context.Context, term terminal) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	isTerminal, hasColours := looks(term.out)
	printer := &tailPrinter{out: term.out, notes: term.err, json: c.JSON || !isTerminal, colours: hasColours}
	s, err := subscriber.New(config, printer)
	if err != nil {
		return wrong("url", "%v", err)
	}
	err = s.Run(ctx)
	if at := s.Place(0); config.Channels[0].Topic == tailTopic && at.Position != "" {
		fmt.Fprintf(term.err, "walcast: to go on from here: --resume %s\n", at)
	}
	return errors.Join(err, printer.err)
}

func (c *tailCmd) config() (config subscriber.Config, err error) {
	config.URL = c.URL
	if config.Token, err = c.token(); err != nil {
		return config, err
	}
	var from subscriber.Place
	if c.Resume != "" {
		if from, err = subscriber.ParsePlace(c.Resume); err != nil {
			return config, wrong("resume", "%v", err)
		}
	}
	bindings, err := c.bindings()
	if err != nil {
		return config, err
	}
	if len(bindings) > 0 {
		config.Channels = append(config.Channels, subscriber.Channel{Topic: tailTopic, Bindings: bindings, From: from})
	} else if c.Resume != "" {
		return config, wrong("resume", "is for rows: want --table beside it")
	}
	for _, topic := range slices.Compact(slices.Sorted(slices.Values(c.Topic))) {
		config.Channels = append(config.Channels, subscriber.Channel{Topic: topic, Private: c.Private, Presence: true})
	}
	return config, nil
}

func (c *tailCmd) bindings() (all []subscriber.Binding, err error) {
	tables := c.Table
	if len(tables) == 0 && len(c.Topic) == 0 {
		tables = []string{"public.*"}
	}
	if c.Filter != "" && len(tables) != 1 {
		return nil, wrong("filter", "is for one table: want one --table beside it")
	}
	for _, name := range tables {
		schema, table, qualified := strings.Cut(name, ".")
		if !qualified {
			schema, table = "public", name
		}
		if schema == "" || table == "" {
			return nil, wrong("table", "want SCHEMA.TABLE, got %q", name)
		}
		if table == "*" {
			table = ""
		}
		if table == "" && (c.Filter != "" || c.Snapshot) {
			return nil, wrong("table", "--filter and --snapshot are for a table, not for a whole schema as %q is", name)
		}
		all = append(all, subscriber.Binding{Event: c.Event, Schema: schema, Table: table, Filter: c.Filter, Snapshot: c.Snapshot})
	}
	return all, nil
}

// token is what to connect with; "" for a server that asks for none.
func (c *serverSettings) token() (string, error) {
	if c.Token != "" {
		return c.Token, nil
	}
	key, err := secret("jwt-secret", c.JWTSecret, c.JWTSecretFile)
	if err != nil || key == "" {
		return "", err
	}
	minted := tokenCmd{tokenSecretSettings: c.tokenSecretSettings, Role: c.Role, Sub: c.Sub, TTL: followTTL}
	claims, err := minted.claims(time.Now())
	if err != nil {
		return "", err
	}
	return mint(key, claims)
}

// followTTL is how long a token is good that is minted to follow a server: it is used by nobody else.
const followTTL = 30 * 24 * time.Hour

// looks reports whether output goes to a terminal, and whether in colours:
// https://no-color.org.
func looks(out any) (isTerminal, hasColours bool) {
	file, ok := out.(*os.File)
	if !ok {
		return false, false
	}
	info, err := file.Stat()
	isTerminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	return isTerminal, isTerminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
