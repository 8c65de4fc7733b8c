package access

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"walcast/test/program"
)

// process is a walcast that runs.
type process struct {
	*program.Process
	log program.Logbook
}

// startProcess runs walcast; it does not wait until it serves.
func startProcess(binary string, args ...string) (*process, error) {
	p := &process{}
	var err error
	if p.Process, err = program.Start(binary, &p.log, args...); err != nil {
		return nil, err
	}
	return p, nil
}

// printed is what the process has printed from before to after a moment, the last
// of it.
func (p *process) printed(at int64, before, after time.Duration) string {
	return p.log.Around(at, before, after, 20)
}

// ready waits until the process streams.
func (p *process) ready(ctx context.Context) error {
	if err := p.Ready(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, p.printed(time.Now().UnixNano(), time.Minute, 0))
	}
	return nil
}

// metrics returns what the process tells of itself, "" if it does not answer.
func (p *process) metrics(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, lastLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Address+"/metrics", nil)
	if err != nil {
		return ""
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return string(text)
}

// stop ends the process and says what it should not have done.
func (p *process) stop() error {
	if _, err := p.Stop(); err != nil {
		return fmt.Errorf("%w\n%s", err, p.printed(time.Now().UnixNano(), time.Hour, 0))
	}
	for _, sign := range program.CrashSigns() {
		if at := p.log.Find(sign); at != 0 {
			return fmt.Errorf("walcast printed %s\n%s", sign, p.printed(at, time.Second, 5*time.Second))
		}
	}
	return nil
}
