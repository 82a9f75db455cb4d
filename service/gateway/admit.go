package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// admit decides whether a request may enter at all, and says whose it is. Liveness, readiness and pages are
// open to everyone.
func (g *Gateway) admit(r *http.Request) (owner string, f *failure) {
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return "", nil
	}
	if err := g.cross.Check(r); err != nil {
		return "", failed(http.StatusForbidden, "invalid_request_error", "", "cross_origin", "a web page of another origin may not use this gateway")
	}
	if len(g.keys) == 0 && g.options.Cashier == nil {
		return "", admitLocal(r)
	}
	if openToAll(r.URL.Path) {
		return "", nil
	}
	key, ok := bearer(r)
	digest := sha256.Sum256([]byte(key))
	switch known := ok && g.knows(digest); {
	case known:
		return string(digest[:]), nil
	case g.options.Cashier != nil: // who has no key pays; SDKs send a key in any case
		return "", nil
	case !ok:
		return "", failed(http.StatusUnauthorized, "authentication_error", "", "missing_api_key",
			"an API key is needed: send the header Authorization: Bearer KEY")
	}
	return "", failed(http.StatusUnauthorized, "authentication_error", "", "invalid_api_key", "the API key is not one of this gateway's")
}

// admitLocal protects a gateway without keys: a request must be addressed to a loopback host, so that a web page
// whose name has been re-pointed at this machine cannot use it.
func admitLocal(r *http.Request) *failure {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip := net.ParseIP(host); strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback()) {
		return nil
	}
	return failed(http.StatusForbidden, "invalid_request_error", "", "not_local",
		"this gateway has no API keys and answers only to localhost: start it with keys to reach it by another name")
}

// bearer returns the key of the Authorization header, or of X-Api-Key, as Anthropic's clients send it.
func bearer(r *http.Request) (string, bool) {
	if key := strings.TrimSpace(r.Header.Get("X-Api-Key")); key != "" && r.Header.Get("Authorization") == "" {
		return key, true
	}
	scheme, key, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	key = strings.TrimSpace(key)
	return key, ok && key != "" && strings.EqualFold(scheme, "Bearer")
}

// knows compares digests, all of them, in constant time.
func (g *Gateway) knows(digest [sha256.Size]byte) bool {
	found := 0
	for _, k := range g.keys {
		found |= subtle.ConstantTimeCompare(digest[:], k[:])
	}
	return found == 1
}
