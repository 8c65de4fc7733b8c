package drill

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// nodeClients run in one Node program, clients.mjs.
type nodeClients struct {
	cmd   *exec.Cmd
	stdin io.Closer
	done  chan error
}

// nodeClient is what the program has to know of a client.
type nodeClient struct {
	Name     string    `json:"name"`
	Kind     kind      `json:"kind"`
	Bindings []binding `json:"bindings"`
	Token    string    `json:"token"`
}

// nodeLine is what it prints.
type nodeLine struct {
	Client, Kind   string
	Writer, Number int
	Errors         []string
	System         json.RawMessage
	Status, Error  string
}

// startNode starts the program in folder, where its packages are installed.
func startNode(ctx context.Context, folder, address string, clients []*client, log io.Writer) (*nodeClients, error) {
	var list []nodeClient
	byName := map[string]*client{}
	for _, c := range clients {
		list = append(list, nodeClient{Name: c.name, Kind: c.kind, Bindings: c.want.bindings(""), Token: c.token})
		byName[c.name] = c
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	n := &nodeClients{cmd: exec.CommandContext(ctx, "node", "clients.mjs"), done: make(chan error, 1)}
	n.cmd.Dir = folder
	n.cmd.Env = append(os.Environ(), "DRILL_URL=http://"+address, "DRILL_CLIENTS="+string(text))
	n.cmd.Stderr = log
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start node: %w", err)
	}
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start node: %w", err)
	}
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start node: %w", err)
	}
	go func() { n.done <- n.read(out, byName) }()
	return n, nil
}

// read notes in the diaries what is printed, to the end.
func (n *nodeClients) read(out io.Reader, clients map[string]*client) error {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l nodeLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("read line of node %q: %w", lines.Text(), err)
		}
		if err := clients[l.Client].hear(l); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read from node: %w", err)
	}
	return n.cmd.Wait()
}

// hear notes one line.
func (c *client) hear(l nodeLine) error {
	switch l.Kind {
	case "row":
		e := entry{Kind: seen, Row: row{l.Writer, l.Number}}
		if len(l.Errors) > 0 {
			e.Text = fmt.Sprint(l.Errors)
		}
		c.diary.note(e)
	case "system":
		return c.system(l.System)
	case "status":
		if l.Status == "SUBSCRIBED" {
			c.diary.note(entry{Kind: joined})
		} else {
			c.diary.note(entry{Kind: closed, Text: l.Status + " " + l.Error})
		}
	}
	return nil
}

// stop ends the program.
func (n *nodeClients) stop() error {
	_ = n.stdin.Close()
	return <-n.done
}
