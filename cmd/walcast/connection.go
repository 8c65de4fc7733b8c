package main

import (
	"context"

	"github.com/jackc/pgx/v5"

	"walcast/internal/conninfo"
	"walcast/replication"
)

// connectionSettings are the settings of serve that a command needs which only
// speaks to Postgres.
type connectionSettings struct {
	Config          configFile `placeholder:"PATH" help:"YAML file with settings."`
	DatabaseURL     string     `env:"WALCAST_DATABASE_URL,DATABASE_URL" placeholder:"URL" help:"Database, as serve has it."`
	DatabaseURLFile string     `placeholder:"PATH" help:"File with the database URL."`
}

// connect opens an ordinary connection. c is the reader's config but for the
// URL; all of it is validated, as pgx would quote a URL that it cannot read.
func (s connectionSettings) connect(ctx context.Context, c replication.Config) (*pgx.Conn, error) {
	var err error
	if c.DatabaseURL, err = databaseURL(s.DatabaseURL, s.DatabaseURLFile); err != nil {
		return nil, err
	}
	if err := named(c.Validate()); err != nil {
		return nil, err
	}
	config, err := conninfo.Parse(c.DatabaseURL)
	if err != nil {
		return nil, wrong("database-url", "%v", err)
	}
	conninfo.PinPath(&config.ConnConfig.Config)
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return nil, replication.Explain(err, &config.ConnConfig.Config)
	}
	return conn, nil
}
