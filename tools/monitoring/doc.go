// Package monitoring has the tests of docs/monitoring: the queries of the alerts and of the
// dashboard are those of Prometheus itself, and run against what a walcast answers.
package monitoring
