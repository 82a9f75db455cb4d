package app

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"elenchus/proving/beacon"
	"elenchus/service/auditor"
)

// drandName begins the text of a beacon that is fetched: drand, or drand:URL[,URL...].
const drandName = "drand"

// drandHosts are asked where no address is named. Nothing that they say is believed.
func drandHosts() []string {
	return []string{"https://api.drand.sh", "https://api2.drand.sh", "https://api3.drand.sh", "https://drand.cloudflare.com"}
}

// Bounds of a fetch.
const (
	drandBody      = 4 << 10         // bytes of an answer
	drandRedirects = 3               // from one address to another
	drandWithin    = 5 * time.Second // of one address, before the next is asked
)

// ErrNoRound says that no address gave a round that verifies.
var ErrNoRound = errors.New("no address gave the round of the beacon")

// drand is quicknet, whose rounds are fetched over HTTP and verified before they are used.
type drand struct {
	beacon.Chain
	urls   []string
	within time.Duration
	http   *http.Client
}

// newDrand fetches from addresses, the next where one fails; none: the public ones. within bounds each
// of them; 0: 5 s.
func newDrand(urls []string, within time.Duration) (*drand, error) {
	if len(urls) == 0 {
		urls = drandHosts()
	}
	d := &drand{Chain: beacon.Quicknet(), within: within}
	if d.within <= 0 {
		d.within = drandWithin
	}
	for _, u := range urls {
		p, err := url.Parse(u)
		if err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Host == "" {
			return nil, fmt.Errorf("address %q of drand: write http:// or https:// and a host", u)
		}
		d.urls = append(d.urls, strings.TrimRight(u, "/"))
	}
	d.http = &http.Client{CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > drandRedirects {
			return fmt.Errorf("it redirects more than %d times", drandRedirects)
		}
		return nil
	}}
	return d, nil
}

// Point is x and y of a round's signature. The error matches ErrNoRound, or is ctx's.
func (d *drand) Point(ctx context.Context, round uint64) ([]byte, error) {
	var failed []error
	for _, u := range d.urls {
		s, err := d.fetch(ctx, u, round)
		if err == nil {
			p := s.Point()
			return p[:], nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed = append(failed, fmt.Errorf("%s: %w", u, err))
	}
	return nil, fmt.Errorf("%w: round %d: %w", ErrNoRound, round, errors.Join(failed...))
}

// fetch asks one address and verifies what it says.
func (d *drand) fetch(ctx context.Context, host string, round uint64) (*beacon.Signature, error) {
	ctx, cancel := context.WithTimeout(ctx, d.within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/%s/public/%d", host, beacon.QuicknetHash, round), nil)
	if err != nil {
		return nil, err
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end or given up
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %d", resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, drandBody+1))
	if err != nil {
		return nil, err
	}
	if len(b) > drandBody {
		return nil, fmt.Errorf("it sends more than %d bytes", drandBody)
	}
	var said struct {
		Round     uint64 `json:"round"`
		Signature string `json:"signature"`
	}
	if err := json.Unmarshal(b, &said); err != nil {
		return nil, fmt.Errorf("its answer is no JSON: %w", err)
	}
	if said.Round != round {
		return nil, fmt.Errorf("it sends round %d", said.Round)
	}
	sig, err := hex.DecodeString(said.Signature)
	if err != nil {
		return nil, fmt.Errorf("its signature is not hex: %w", err)
	}
	return d.Verify(round, sig)
}

// isDrand says whether the text of a beacon names drand, and which addresses.
func isDrand(text string) (urls []string, ok bool) {
	if text == drandName {
		return nil, true
	}
	list, ok := strings.CutPrefix(text, drandName+":")
	if !ok {
		return nil, false
	}
	return strings.Split(list, ","), true
}

// beaconOf is the beacon of a text, a key file or drand, as a deployment with those times uses it.
func beaconOf(text string, within time.Duration, genesis, period uint64) (auditor.Beacon, error) {
	urls, ok := isDrand(text)
	if !ok {
		b, err := localBeacon(text, genesis, period)
		return b, err
	}
	d, err := newDrand(urls, within)
	if err != nil {
		return nil, err
	}
	if d.Genesis != genesis || d.Period != period {
		return nil, fmt.Errorf("the deployment draws by a beacon from %d on every %d s, quicknet is from %d on every %d s", genesis, period, d.Genesis, d.Period)
	}
	return d, nil
}
