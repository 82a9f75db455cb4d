package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// ErrNotReady says that a role does not say that it is ready.
var ErrNotReady = errors.New("not ready")

// askWithin is how long a role may take to say whether it is ready.
const askWithin = 5 * time.Second

// AskReady asks a role at its base URL whether it is ready; the error matches ErrNotReady and holds what the role says.
func AskReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<12))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s answers %d: %s", ErrNotReady, url, res.StatusCode, strings.TrimSpace(string(body)))
	}
	return nil
}
