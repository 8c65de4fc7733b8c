package memory

import "runtime/metrics"

// gauge reads what the process uses from the runtime. It belongs to one goroutine.
type gauge []metrics.Sample

// The metrics of runtime/metrics, in the order of a gauge.
const (
	live = iota
	total
	released
	objects
	free
	gauged
)

func newGauge() gauge {
	g := make(gauge, gauged)
	g[live].Name = "/gc/heap/live:bytes"
	g[total].Name = "/memory/classes/total:bytes"
	g[released].Name = "/memory/classes/heap/released:bytes"
	g[objects].Name = "/memory/classes/heap/objects:bytes"
	g[free].Name = "/memory/classes/heap/free:bytes"
	return g
}

func (g gauge) read(sessions int) Use {
	metrics.Read(g)
	of := func(i int) int64 { return int64(g[i].Value.Uint64()) }
	return Use{Live: of(live), Other: of(total) - of(released) - of(objects) - of(free), Sessions: sessions}
}
