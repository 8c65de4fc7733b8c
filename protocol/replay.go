package protocol

import (
	"errors"
	"strconv"
)

// Replay is config.broadcast.replay: which stored broadcasts to send again.
type Replay struct {
	Since int64 // milliseconds since the epoch
	Limit int   // 1 to 25
}

const (
	maxReplay = 25

	// What upstream's dates can hold, in milliseconds since the epoch.
	minSince = -377_705_116_800_000
	maxSince = 253_402_300_799_999
)

// configureReplay reads "replay". Only private channels have stored broadcasts.
func (j *Join) configureReplay(replay value) error {
	if replay.isNull() {
		return nil
	}
	if !j.Private {
		return RefuseReplayPublic
	}
	if replay.kind() != '{' {
		j.warn("config.broadcast.replay", "a map", "nothing is replayed")
		return nil
	}
	var since, limit value
	for name, v := range replay.pairs() {
		switch string(name) {
		case "since":
			since = v
		case "limit":
			limit = v
		}
	}
	r, ok := parseReplay(since, limit)
	if !ok {
		return RefuseReplayParams
	}
	j.Replay = &r
	return nil
}

// parseReplay wants JSON integers: no fraction, no exponent. A limit beyond the
// bounds is the nearer bound.
func parseReplay(since, limit value) (Replay, bool) {
	r := Replay{Limit: maxReplay}
	var err error
	r.Since, err = strconv.ParseInt(string(since), 10, 64)
	if err != nil || r.Since < minSince || r.Since > maxSince {
		return Replay{}, false
	}
	if limit.isNull() {
		return r, true
	}
	n, err := strconv.ParseInt(string(limit), 10, 64) // at the bound when out of range
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return Replay{}, false
	}
	r.Limit = int(min(max(n, 1), maxReplay))
	return r, true
}
