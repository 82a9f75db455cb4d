package app

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"elenchus/app/meter"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/network/peer"
	"elenchus/service/challenger"
	"elenchus/service/gateway"
	"elenchus/service/node"
)

// observe measures the requests of a gateway.
func observe(m *meter.Set) func(gateway.Seen) {
	return func(s gateway.Seen) {
		m.Add("elenchus_gateway_requests_total", 1, s.Route, strconv.Itoa(s.Status))
		m.Observe("elenchus_gateway_request_seconds", s.Took.Seconds(), s.Route)
		if s.Model != "" {
			m.Add("elenchus_gateway_prompt_tokens_total", float64(s.Prompt), s.Model)
			m.Add("elenchus_gateway_completion_tokens_total", float64(s.Answer), s.Model)
		}
	}
}

// countJob counts a job that a node did not take.
func (b *Backend) countJob(ctx context.Context, url string, err error) {
	var refused *peer.StatusError
	switch {
	case err == nil:
		return
	case ctx.Err() != nil:
		b.Meter.Add("elenchus_gateway_node_jobs_total", 1, url, "cancelled")
	case errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable:
		b.Meter.Add("elenchus_gateway_node_jobs_total", 1, url, "busy")
	case errors.As(err, &refused):
		b.Meter.Add("elenchus_gateway_node_jobs_total", 1, url, "refused")
	default:
		b.Meter.Add("elenchus_gateway_node_jobs_total", 1, url, "unreachable")
	}
}

// countFirst measures the time to the first token.
func (b *Backend) countFirst(sent int, asked time.Time) {
	if sent == 0 {
		b.Meter.Observe("elenchus_gateway_first_token_seconds", since(asked))
	}
}

// countAnswer counts how an answer ended.
func (b *Backend) countAnswer(ctx context.Context, node string, left *cut, err error) {
	switch {
	case err == nil && left != nil:
		b.Meter.Add("elenchus_gateway_node_jobs_total", 1, node, "cancelled")
		b.Meter.Add("elenchus_gateway_receipts_total", 1)
	case err == nil:
		b.Meter.Add("elenchus_gateway_node_jobs_total", 1, node, "done")
		b.Meter.Add("elenchus_gateway_receipts_total", 1)
	case ctx.Err() != nil || left != nil:
		b.Meter.Add("elenchus_gateway_node_jobs_total", 1, node, "cancelled")
	default:
		b.Meter.Add("elenchus_gateway_node_jobs_total", 1, node, "broken")
	}
}

// reachable says whether any node answers.
func (b *Backend) reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	errs := make(chan error, len(b.Nodes))
	for _, url := range b.Nodes {
		go func() {
			_, err := b.Peers.Info(ctx, url)
			errs <- err
		}()
	}
	all := []error{gateway.ErrUnavailable}
	for range b.Nodes {
		err := <-errs
		if err == nil {
			return nil
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// counting measures what a node computes for users.
type counting struct {
	*resident
	meter *meter.Set
}

// Generate is node.Computer.
func (c counting) Generate(ctx context.Context, job decode.Job, emit func(id int32) error) (*trace.Answer, uint8, error) {
	began := time.Now()
	a, finish, err := c.resident.Generate(ctx, job, func(id int32) error {
		c.meter.Add("elenchus_node_tokens_total", 1)
		if emit == nil {
			return nil
		}
		return emit(id)
	})
	c.meter.Observe("elenchus_node_job_seconds", since(began))
	switch {
	case err == nil:
		c.meter.Add("elenchus_node_jobs_total", 1, "done")
	case ctx.Err() != nil:
		c.meter.Add("elenchus_node_jobs_total", 1, "cancelled")
	default:
		c.meter.Add("elenchus_node_jobs_total", 1, "failed")
	}
	return a, finish, err
}

// timed measures what a challenger computes.
type timed struct {
	challenger.Computer
	meter *meter.Set
}

// Audit is challenger.Computer.
func (c timed) Audit(ctx context.Context, job decode.Job, claimed []int32) (*trace.Answer, uint8, error) {
	began := time.Now()
	a, finish, err := c.Computer.Audit(ctx, job, claimed)
	c.meter.Observe("elenchus_watch_audit_seconds", since(began))
	return a, finish, err
}

// Replay is challenger.Replayer, of a graph model.
func (c timed) Replay(in []int32) (*trace.Step, error) {
	r, ok := c.Computer.(challenger.Replayer)
	if !ok {
		return nil, errors.New("what computes here runs no graph models")
	}
	began := time.Now()
	step, err := r.Replay(in)
	c.meter.Observe("elenchus_watch_audit_seconds", since(began))
	return step, err
}

// measureNode sets the gauges of a node before each scrape.
func measureNode(o *ops, n *node.Node, set *residents, l *Link) {
	o.before(func() {
		if load, err := n.Load(); err == nil {
			o.meter.Set("elenchus_node_jobs_running", float64(load.Running))
			o.meter.Set("elenchus_node_jobs_waiting", float64(load.Waiting))
			o.meter.Set("elenchus_node_claims_pending", float64(load.Pending))
		}
		models, bytes := set.here()
		o.meter.Set("elenchus_node_models_loaded", float64(models))
		o.meter.Set("elenchus_node_models_bytes", float64(bytes))
	})
	o.before(l.measureStake)
}

// measureWatch sets the gauges of a challenger before each scrape.
func measureWatch(o *ops, c *challenger.Challenger, l *Link) {
	o.before(func() {
		o.meter.Set("elenchus_watch_queue", float64(c.Waiting()))
		count := map[string]float64{"true": 0, "false": 0, "unknown": 0}
		for _, v := range c.Verdicts() {
			switch {
			case !v.Known:
				count["unknown"]++
			case v.True:
				count["true"]++
			default:
				count["false"]++
			}
		}
		for verdict, n := range count {
			o.meter.Set("elenchus_watch_verdicts", n, verdict)
		}
	})
	o.before(l.measureCredit)
}
