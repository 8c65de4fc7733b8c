package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// healthLimit is how long a server may take to say whether it is ready.
const healthLimit = 5 * time.Second

type healthCmd struct {
	URL string `env:"WALCAST_URL" name:"url" default:"" placeholder:"URL" help:"Server to ask. Default: http://127.0.0.1:4000, or the port that the variable PORT names."`
}

// Run asks /readyz. It is for checks of containers, in which there is no curl.
func (c *healthCmd) Run(ctx context.Context, term terminal) error {
	url := strings.TrimRight(c.URL, "/")
	if url == "" {
		port := os.Getenv("PORT")
		if port == "" {
			port = "4000"
		}
		url = "http://127.0.0.1:" + port
	}
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return wrong("url", "want the URL of a server as http://127.0.0.1:4000")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask whether the server is ready: %w", err)
	}
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var state struct{ Role, Reason string }
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&state); err != nil {
		return fmt.Errorf("ask whether the server is ready: %s/readyz answers %s, and no JSON", url, response.Status)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready (%s): %s", state.Role, state.Reason)
	}
	_, err = fmt.Fprintf(term.out, "ready (%s)\n", state.Role)
	return err
}
