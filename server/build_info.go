package server

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// buildInfo is a metric that is always 1 and says by its labels which program runs.
func buildInfo(version string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "walcast_build_info", Help: "1, with the version of walcast and that of Go.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}
