package gateway

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	sessions   prometheus.Gauge
	opened     *prometheus.CounterVec
	closed     *prometheus.CounterVec
	refused    *prometheus.CounterVec
	frames     prometheus.Counter
	bytes      prometheus.Counter
	writes     prometheus.Counter
	overflows  prometheus.Counter
	dropped    prometheus.Counter
	received   prometheus.Counter
	receivedB  prometheus.Counter
	malformed  prometheus.Counter
	limited    *prometheus.CounterVec
	handshakes prometheus.Histogram
	latency    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		sessions: f.NewGauge(prometheus.GaugeOpts{
			Name: "walcast_gateway_sessions",
			Help: "Sessions open at present, WebSockets and event streams.",
		}),
		opened: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_gateway_opened_total",
			Help: "Sessions opened, by protocol version; sse is an event stream.",
		}, []string{"version"}),
		closed: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_gateway_closed_total",
			Help: "Sessions that ended, by reason.",
		}, []string{"reason"}),
		refused: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_gateway_refused_total",
			Help: "WebSocket handshakes and event streams refused, by reason.",
		}, []string{"reason"}),
		frames: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_gateway_frames_sent_total",
			Help: "Frames written to sockets.",
		}),
		bytes: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_gateway_bytes_sent_total",
			Help: "Bytes of frames written to sockets, WebSocket headers included.",
		}),
		writes: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_gateway_writes_total",
			Help: "Writes to sockets; each carries one frame or many.",
		}),
		overflows: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_gateway_queue_overflows_total",
			Help: "Sessions closed because their outbound queue was full.",
		}),
		dropped: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_gateway_broadcasts_dropped_total",
			Help: "Broadcasts left out for sessions whose queue was full, where queue-full says so.",
		}),
		received: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_gateway_messages_received_total",
			Help: "Messages read from sockets, malformed ones included.",
		}),
		receivedB: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_gateway_bytes_received_total",
			Help: "Payload bytes of messages read from sockets.",
		}),
		malformed: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_gateway_malformed_total",
			Help: "Messages dropped because they could not be read.",
		}),
		limited: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_gateway_limited_total",
			Help: "Times that a client ran into a limit, by limit.",
		}, []string{"limit"}),
		handshakes: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "walcast_gateway_handshake_seconds",
			Help:    "Time to answer a WebSocket handshake or to begin an event stream, refusals and their pause included.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .05, .25, 1, 5},
		}),
		latency: f.NewHistogram(prometheus.HistogramOpts{
			Name: "walcast_gateway_commit_to_socket_seconds",
			Help: "From a transaction's commit time on the database's clock to the end of the write that carried its " +
				"change; one observation a write, of its oldest change that is delivered live.",
			Buckets: []float64{.00025, .0005, .001, .002, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 10, 60},
		}),
	}
}
