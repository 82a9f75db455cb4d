// Package fetch brings files over HTTP, each of them whole or not at all.
//
// It stands on the network floor. What was interrupted goes on where it stopped, if the server can
// prove that its file is still the same; what has a known digest is checked against it before it gets
// its name. Invariants: a file appears under its name only when it is complete, synced and checked;
// nothing is written outside the folder that was named; redirects are bounded and never lead from
// HTTPS to plain HTTP; tokens go to the host that they are for and into no error.
//
//	c := fetch.New(fetch.Options{Room: room, Progress: show})
//	err := c.File(ctx, fetch.File{URL: url, SHA256: digest, Size: -1}, "models/m.gguf")
package fetch

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Errors that callers tell apart.
var (
	// ErrChecksum says that what came is not what was announced. Nothing of it is kept.
	ErrChecksum = errors.New("wrong checksum")
	// ErrRefused says that an address, a name or an answer is not one that this package follows.
	ErrRefused = errors.New("refused")
	// ErrMissing says that the server does not have it, or not for everybody.
	ErrMissing = errors.New("not found")
)

const (
	maxRedirects = 5
	maxAttempts  = 5 // in a row without a byte of progress
	stall        = 60 * time.Second
)

// Options configure a Client. The zero value is useful.
type Options struct {
	// HTTP does the requests; nil: a client of its own. Its CheckRedirect is replaced.
	HTTP *http.Client
	// Token is sent as a bearer token to TokenHost (host or host:port) alone.
	Token, TokenHost string
	// Room refuses to begin when there is no room for that many bytes more; nil: there always is.
	Room func(bytes int64) error
	// Progress is told how much of a file is here; all is -1 while unknown. nil: nobody.
	Progress func(name string, done, all int64)
	// Wait is how long to wait before the nth attempt that follows a failure; nil: 1, 2, 4, ... s.
	Wait func(n int) time.Duration
}

// Client brings files. It is safe for concurrent use if Progress is.
type Client struct {
	o    Options
	http *http.Client
}

// New returns a client.
func New(o Options) *Client {
	base := o.HTTP
	if base == nil {
		base = &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: stall, TLSHandshakeTimeout: 20 * time.Second,
			DialContext: (&net.Dialer{Timeout: 20 * time.Second}).DialContext, ForceAttemptHTTP2: true,
		}}
	}
	c := *base
	c.CheckRedirect = checkRedirect
	if o.Wait == nil {
		o.Wait = func(n int) time.Duration { return time.Second << min(n-1, 5) }
	}
	return &Client{o: o, http: &c}
}

// checkRedirect follows a few redirects, never away from encryption.
func checkRedirect(next *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("%w: more than %d redirects", ErrRefused, maxRedirects)
	}
	if via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https" {
		return fmt.Errorf("%w: a redirect from https to %s", ErrRefused, next.URL.Scheme)
	}
	return CheckURL(next.URL)
}

// CheckURL admits https, and http to this machine alone.
func CheckURL(u *url.URL) error {
	switch {
	case u.Host == "":
		return fmt.Errorf("%w: address %q has no host", ErrRefused, u.Redacted())
	case u.User != nil:
		return fmt.Errorf("%w: address %q holds a user name: set a token instead", ErrRefused, u.Redacted())
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return fmt.Errorf("%w: address %q: use https", ErrRefused, u.Redacted())
	}
	host := u.Hostname()
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: address %q: plain http is for this machine only, use https", ErrRefused, u.Redacted())
}

// request makes a GET with the token if it is for that host.
func (c *Client) request(ctx context.Context, address string) (*http.Request, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: address %q: %w", ErrRefused, address, err)
	}
	if err := CheckURL(u); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "elenchus")
	req.Header.Set("Accept-Encoding", "identity") // digests and ranges are of the file itself
	if c.o.Token != "" && u.Host == c.o.TokenHost {
		req.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	return req, nil
}

// statusError tells what a status means.
func statusError(resp *http.Response) error {
	at := resp.Request.URL.Redacted()
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: %s answers %s", ErrMissing, at, resp.Status)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: %s answers %s: accept the model's terms there and set HF_TOKEN", ErrMissing, at, resp.Status)
	}
	err := fmt.Errorf("%s answers %s", at, resp.Status)
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		return &passing{err}
	}
	return err
}

// passing is a failure that may not be there next time.
type passing struct{ error }

func (p *passing) Unwrap() error { return p.error }

// ParseSHA256 reads 64 hex digits, with or without "sha256:" before them.
func ParseSHA256(text string) ([]byte, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(strings.ToLower(text), "sha256:"))
	if err != nil || len(b) != 32 {
		return nil, fmt.Errorf("%w: sha256 %q is not 64 hex digits", ErrRefused, text)
	}
	return b, nil
}
