package main

import (
	"net"
	"net/url"
	"os"
	"strconv"

	"github.com/alecthomas/kong"
)

// upstreamEnvironment reads variables that Supabase's stack sets for its Realtime and that
// are no setting's value as they stand, so that walcast can take its place in a compose file.
// They count less than everything that is walcast's own. Those that are, as API_JWT_SECRET,
// stand beside the settings.
type upstreamEnvironment struct {
	lookup func(name string) (value string, ok bool)
}

// Validate is part of kong.Resolver.
func (upstreamEnvironment) Validate(*kong.Application) error { return nil }

// Resolve returns the value of a flag of serve, unless the environment has it under its own
// name. The file and the command line win over it.
func (e upstreamEnvironment) Resolve(_ *kong.Context, path *kong.Path, flag *kong.Flag) (any, error) {
	if node := path.Node(); node == nil || node.Name != "serve" && flag.Name != "slot" {
		return nil, nil
	}
	for _, env := range flag.Envs {
		if _, set := e.lookup(env); set {
			return nil, nil
		}
	}
	switch flag.Name {
	case "listen":
		if port, ok := e.lookup("PORT"); ok && port != "" {
			if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
				return nil, wrong("listen", "the variable PORT is %q; want a port, 1 to 65535", port)
			}
			return ":" + port, nil
		}
	case "slot":
		if suffix, ok := e.lookup("SLOT_NAME_SUFFIX"); ok && suffix != "" {
			return "walcast_" + suffix, nil
		}
	}
	return nil, nil
}

// databaseURL is the setting database-url. Without it, it is made of the variables DB_HOST,
// DB_PORT, DB_USER, DB_PASSWORD, DB_NAME and DB_SSL, as Supabase's stack sets them.
func databaseURL(value, path string) (string, error) {
	if value != "" || path != "" {
		return secret("database-url", value, path)
	}
	return upstreamURL(os.Getenv), nil
}

func upstreamURL(getenv func(string) string) string {
	host := getenv("DB_HOST")
	if host == "" {
		return ""
	}
	u := url.URL{Scheme: "postgres", Host: host, Path: "/" + getenv("DB_NAME")}
	if port := getenv("DB_PORT"); port != "" {
		u.Host = net.JoinHostPort(host, port)
	}
	if user := getenv("DB_USER"); user != "" {
		u.User = url.UserPassword(user, getenv("DB_PASSWORD"))
	}
	if getenv("DB_SSL") == "true" {
		u.RawQuery = "sslmode=require"
	}
	return u.String()
}
