package meter

// Kind is how a metric behaves.
type Kind string

// The kinds that are used here.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metric is a row of the table: what is measured, and by whom.
type Metric struct {
	Name   string // with its unit, as Prometheus wants it
	Kind   Kind
	Help   string
	Labels []string
	Roles  []string // that have it
}

// Roles that are measured.
const (
	Gateway = "gateway"
	Node    = "node"
	Watch   = "watch"
	Chain   = "chain"
)

// Table lists every metric of ours. Each role also has those of the Go runtime and of its process.
func Table() []Metric {
	all := []string{Gateway, Node, Watch, Chain}
	linked := []string{Node, Watch}
	return []Metric{
		{"elenchus_build_info", Gauge, "1, with what runs", []string{"role", "go_version", "revision"}, all},
		{"elenchus_ready", Gauge, "1 while /readyz says so, else 0", nil, all},

		{"elenchus_gateway_requests_total", Counter, "requests by route and status; an unknown path is route \"/\"", []string{"route", "status"}, []string{Gateway}},
		{"elenchus_gateway_request_seconds", Histogram, "from the first byte of a request to the last of its answer", []string{"route"}, []string{Gateway}},
		{"elenchus_gateway_answers_running", Gauge, "answers in the making", nil, []string{Gateway}},
		{"elenchus_gateway_first_token_seconds", Histogram, "from handing a job to a node to its first token", nil, []string{Gateway}},
		{"elenchus_gateway_prompt_tokens_total", Counter, "tokens of prompts", []string{"model"}, []string{Gateway}},
		{"elenchus_gateway_completion_tokens_total", Counter, "tokens of answers", []string{"model"}, []string{Gateway}},
		{"elenchus_gateway_node_jobs_total", Counter, "jobs by node and outcome: done, refused, busy, unreachable, broken, cancelled", []string{"node", "outcome"}, []string{Gateway}},
		{"elenchus_gateway_receipts_total", Counter, "receipts that were handed on, or kept of answers whose client left", nil, []string{Gateway}},

		{"elenchus_node_jobs_total", Counter, "jobs by outcome: done, cancelled, failed", []string{"outcome"}, []string{Node}},
		{"elenchus_node_job_seconds", Histogram, "computing of a job, without waiting for its turn", nil, []string{Node}},
		{"elenchus_node_tokens_total", Counter, "tokens that were produced", nil, []string{Node}},
		{"elenchus_node_jobs_running", Gauge, "jobs being computed", nil, []string{Node}},
		{"elenchus_node_jobs_waiting", Gauge, "jobs that wait for their turn", nil, []string{Node}},
		{"elenchus_node_claims_pending", Gauge, "signed claims that are in no batch yet", nil, []string{Node}},
		{"elenchus_node_models_loaded", Gauge, "models in memory", nil, []string{Node}},
		{"elenchus_node_models_bytes", Gauge, "about what the models in memory take", nil, []string{Node}},
		{"elenchus_node_model_loads_total", Counter, "models that were loaded after the start", nil, []string{Node}},

		{"elenchus_watch_receipts_total", Counter, "receipts that came over HTTP, by outcome: accepted, refused", []string{"outcome"}, []string{Watch}},
		{"elenchus_watch_verdicts", Gauge, "claims that were checked, by verdict: true, false, unknown", []string{"verdict"}, []string{Watch}},
		{"elenchus_watch_audit_seconds", Histogram, "computing of a claim again", nil, []string{Watch}},
		{"elenchus_watch_queue", Gauge, "receipts that wait to be checked", nil, []string{Watch}},
		{"elenchus_watch_credit", Gauge, "token units of credit for bonds, as a float", nil, []string{Watch}},

		{"elenchus_head_block", Gauge, "number of the newest block that was seen", nil, []string{Node, Watch, Chain}},
		{"elenchus_head_age_seconds", Gauge, "time since the newest block that was seen", nil, []string{Node, Watch, Chain}},
		{"elenchus_facts_total", Counter, "events of the contracts that were read, by kind", []string{"event"}, linked},
		{"elenchus_orders_total", Counter, "transactions by kind and outcome: submitted, mined, reverted, failed", []string{"order", "outcome"}, linked},
		{"elenchus_order_gas_total", Counter, "gas of mined transactions", []string{"order"}, linked},
		{"elenchus_outbox_pending", Gauge, "transactions that are not mined, or not deep enough yet to be forgotten", nil, linked},
		{"elenchus_account_stake", Gauge, "token units of stake, as a float", nil, []string{Node}},
		{"elenchus_account_stake_free", Gauge, "token units of stake that can back new batches, as a float", nil, []string{Node}},
		{"elenchus_account_games_open", Gauge, "games that are open against the account", nil, []string{Node}},
		{"elenchus_account_jailed", Gauge, "1 while the account is jailed", nil, []string{Node}},
	}
}
