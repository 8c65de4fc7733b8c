package policy

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// measured is the sum of a metric's samples, whatever their labels.
func measured(t testing.TB, reg *prometheus.Registry, name string) (total float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return total
}
