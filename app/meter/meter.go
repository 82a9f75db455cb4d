// Package meter measures what roles do, for Prometheus.
//
// It stands beside the wiring in app: services know nothing of it. Table is the one list of metrics;
// a Set makes those of a role from it, so that nothing is measured that the table, and with it
// docs/guide/metrics.md and the dashboard, does not know. A nil Set measures nothing. Labels are
// routes, outcomes and addresses of our own configuration, never what a stranger writes, and keys are
// in none of them.
//
//	m := meter.New(meter.Node)
//	m.Add("elenchus_node_jobs_total", 1, "done")
//	http.Handle("/metrics", m.Handler())
package meter

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Set holds the metrics of one role. It is safe for concurrent use.
type Set struct {
	registry   *prometheus.Registry
	kinds      map[string]Metric
	counters   map[string]*prometheus.CounterVec
	gauges     map[string]*prometheus.GaugeVec
	histograms map[string]*prometheus.HistogramVec
}

// seconds are the buckets of every histogram: from a millisecond to minutes.
func seconds() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}
}

// New makes the metrics of a role.
func New(role string) *Set {
	s := &Set{
		registry: prometheus.NewRegistry(), kinds: map[string]Metric{}, counters: map[string]*prometheus.CounterVec{},
		gauges: map[string]*prometheus.GaugeVec{}, histograms: map[string]*prometheus.HistogramVec{},
	}
	for _, m := range Table() {
		if slices.Contains(m.Roles, role) {
			s.register(m)
		}
	}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, v := range info.Settings {
			if v.Key == "vcs.revision" {
				revision = v.Value
			}
		}
	}
	s.Set("elenchus_build_info", 1, role, runtime.Version(), revision)
	return s
}

// register makes one metric. Those without labels are there from the beginning, at zero.
func (s *Set) register(m Metric) {
	s.kinds[m.Name] = m
	switch m.Kind {
	case Counter:
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, m.Labels)
		s.registry.MustRegister(v)
		if s.counters[m.Name] = v; len(m.Labels) == 0 {
			v.WithLabelValues()
		}
	case Gauge:
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, m.Labels)
		s.registry.MustRegister(v)
		if s.gauges[m.Name] = v; len(m.Labels) == 0 {
			v.WithLabelValues()
		}
	case Histogram:
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: m.Name, Help: m.Help, Buckets: seconds()}, m.Labels)
		s.registry.MustRegister(v)
		if s.histograms[m.Name] = v; len(m.Labels) == 0 {
			v.WithLabelValues()
		}
	}
}

// has panics for a metric that the role's table does not have: that is a mistake in this program.
func (s *Set) has(name string, k Kind) {
	if s.kinds[name].Kind != k {
		panic("meter: this role has no " + string(k) + " " + name)
	}
}

// Add counts.
func (s *Set) Add(name string, n float64, labels ...string) {
	if s == nil {
		return
	}
	s.has(name, Counter)
	s.counters[name].WithLabelValues(labels...).Add(n)
}

// Set says what a gauge stands at.
func (s *Set) Set(name string, v float64, labels ...string) {
	if s == nil {
		return
	}
	s.has(name, Gauge)
	s.gauges[name].WithLabelValues(labels...).Set(v)
}

// Observe notes a duration in seconds.
func (s *Set) Observe(name string, v float64, labels ...string) {
	if s == nil {
		return
	}
	s.has(name, Histogram)
	s.histograms[name].WithLabelValues(labels...).Observe(v)
}

// Handler answers a scrape. before, which may be nil, is called first to set gauges.
func (s *Set) Handler(before func()) http.Handler {
	h := promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before != nil {
			before()
		}
		h.ServeHTTP(w, r)
	})
}
