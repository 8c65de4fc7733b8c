package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	sessions sessionMetrics
	sent     sentMetrics
	received receivedMetrics
	limited  *prometheus.CounterVec
}

type sessionMetrics struct {
	open       prometheus.Gauge
	opened     *prometheus.CounterVec
	closed     *prometheus.CounterVec
	refused    *prometheus.CounterVec
	handshakes prometheus.Histogram
}

type sentMetrics struct {
	frames    prometheus.Counter
	bytes     prometheus.Counter
	writes    prometheus.Counter
	overflows prometheus.Counter
	dropped   prometheus.Counter
	latency   prometheus.Histogram
}

type receivedMetrics struct {
	messages  prometheus.Counter
	bytes     prometheus.Counter
	malformed prometheus.Counter
}

// The values of the limit label of walcast_gateway_limited_total. Those of
// rejected requests and of ended sessions are counted by reason, too.
const (
	limitSessions    = "sessions"
	limitAddress     = "address"
	limitHandshakes  = "handshakes"
	limitMessages    = "messages"
	limitBytes       = "bytes"
	limitJoins       = "joins"
	limitMessageSize = "message_size"
	limitQueue       = "queue"
	limitIdle        = "idle"
)

// limitOf is the limit behind the end of a session, "" for other ends.
func limitOf(cause string) string {
	switch cause {
	case endTooBig:
		return limitMessageSize
	case endSlow:
		return limitQueue
	case endIdle:
		return limitIdle
	}
	return ""
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		sessions: newSessionMetrics(f),
		sent:     newSentMetrics(f),
		received: newReceivedMetrics(f),
		limited: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_gateway_limited_total",
			Help: "Times that a client ran into a limit, by limit.",
		}, []string{"limit"}),
	}
}

func newSessionMetrics(f promauto.Factory) sessionMetrics {
	return sessionMetrics{
		open: f.NewGauge(prometheus.GaugeOpts{
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
		handshakes: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "walcast_gateway_handshake_seconds",
			Help:    "Time to answer a WebSocket handshake or to begin an event stream, refusals and their pause included.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .05, .25, 1, 5},
		}),
	}
}

func newSentMetrics(f promauto.Factory) sentMetrics {
	return sentMetrics{
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
		latency: f.NewHistogram(prometheus.HistogramOpts{
			Name: "walcast_gateway_commit_to_socket_seconds",
			Help: "From a transaction's commit time on the database's clock to the end of the write that carried its " +
				"change; one observation a write, of its oldest change that is delivered live.",
			Buckets: []float64{.00025, .0005, .001, .002, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 10, 60},
			// For Prometheus servers that take native histograms: within 10 %, in 160 buckets at most.
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}),
	}
}

func newReceivedMetrics(f promauto.Factory) receivedMetrics {
	return receivedMetrics{
		messages: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_gateway_messages_received_total",
			Help: "Messages read from sockets, malformed ones included.",
		}),
		bytes: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_gateway_bytes_received_total",
			Help: "Payload bytes of messages read from sockets.",
		}),
		malformed: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_gateway_malformed_total",
			Help: "Messages dropped because they could not be read.",
		}),
	}
}
