package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// bucket holds at most a minute's worth of something, and fills by that much in a minute.
type bucket struct {
	most  float64 // 0: no limit
	level float64 // below 0: a debt
	at    time.Time
}

func newBucket(most int, now time.Time) bucket { return bucket{float64(most), float64(most), now} }

// fill takes the time into account that has passed.
func (b *bucket) fill(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.level = min(b.most, b.level+b.most*passed.Minutes())
		b.at = now
	}
}

// wait is how long it takes until the bucket holds n.
func (b *bucket) wait(n float64) time.Duration {
	return max(0, time.Duration((n-b.level)/b.most*float64(time.Minute)))
}

// account is what a key may still use.
type account struct {
	key Key

	mu               sync.Mutex // guards what follows
	requests, tokens bucket
}

func newAccount(k Key, now time.Time) *account {
	return &account{key: k, requests: newBucket(k.Requests, now), tokens: newBucket(k.Tokens, now)}
}

// request takes one request off, or says how long to wait for it.
func (a *account) request(now time.Time) *failure {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := &a.requests
	if b.fill(now); b.most == 0 {
		return nil
	}
	if b.level < 1 {
		return limited("requests", a.key.Requests, b.wait(1))
	}
	b.level--
	return nil
}

// reserve takes off the tokens that a request may need at most, or the whole bucket if that is less, or says how long
// to wait for them. It returns what it took.
func (a *account) reserve(n int, now time.Time) (int, *failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := &a.tokens
	if b.fill(now); b.most == 0 {
		return 0, nil
	}
	n = min(n, a.key.Tokens)
	if b.level < float64(n) {
		return 0, limited("tokens", a.key.Tokens, b.wait(float64(n)))
	}
	b.level -= float64(n)
	return n, nil
}

// settle replaces what was reserved by what was used.
func (a *account) settle(reserved, used int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if b := &a.tokens; b.most > 0 {
		b.level = min(b.most, b.level+float64(reserved-used))
	}
}

// limited is the failure of a request that is one too many.
func limited(what string, most int, wait time.Duration) *failure {
	f := failed(http.StatusTooManyRequests, "rate_limit_error", "", "rate_limit_exceeded",
		fmt.Sprintf("this API key has a limit of %d %s per minute: try again in %s", most, what, ceil(wait)))
	f.retry = wait
	return f
}

// ceil rounds up to seconds, at least one.
func ceil(d time.Duration) time.Duration { return max(1, (d+time.Second-1)/time.Second) * time.Second }

// show writes the limits into headers, as the clients of a face read them.
func (a *account) show(h http.Header, path string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range []struct {
		what string
		b    *bucket
	}{{"requests", &a.requests}, {"tokens", &a.tokens}} {
		if l.b.fill(now); l.b.most == 0 {
			continue
		}
		most, left, reset := strconv.Itoa(int(l.b.most)), strconv.Itoa(max(0, int(l.b.level))), l.b.wait(l.b.most)
		if strings.HasPrefix(path, "/v1/messages") {
			prefix := "Anthropic-Ratelimit-" + l.what
			h.Set(prefix+"-limit", most)
			h.Set(prefix+"-remaining", left)
			h.Set(prefix+"-reset", now.Add(reset).UTC().Format(time.RFC3339))
			continue
		}
		h.Set("X-Ratelimit-Limit-"+l.what, most)
		h.Set("X-Ratelimit-Remaining-"+l.what, left)
		h.Set("X-Ratelimit-Reset-"+l.what, reset.Round(time.Millisecond).String())
	}
}
