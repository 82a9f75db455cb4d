package elenchus

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Bounds on what a gateway may send, in bytes.
const (
	maxResponse = 64 << 20
	maxEvent    = 16 << 20
)

// Client asks an OpenAI-compatible gateway. The zero value of every field but BaseURL is useful. It
// is safe for concurrent use.
type Client struct {
	BaseURL string // e.g. http://127.0.0.1:8080
	Key     string // sent as bearer token unless empty
	HTTP    *http.Client
}

// Message is one turn of a conversation; Role is system, user or assistant.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// ChatRequest is a conversation to go on with.
type ChatRequest struct {
	Model     string    `json:"model"`
	Messages  []Message `json:"messages"`
	MaxTokens uint32    `json:"max_tokens,omitempty"` // 0: as many as the context holds
	// Temperature is the decimal text of 0..2, which the gateway reads exactly; empty: 1.
	Temperature json.Number `json:"temperature,omitempty"`
	Seed        *uint64     `json:"seed,omitempty"` // nil: the gateway draws one
}

// Chat asks for an answer and returns it whole, with its receipt and both bodies.
func (c *Client) Chat(ctx context.Context, q ChatRequest) (*Answer, error) {
	return c.chat(ctx, q, nil)
}

// Stream is Chat that hands each piece of text to emit as it comes; emit's error ends it.
func (c *Client) Stream(ctx context.Context, q ChatRequest, emit func(piece string) error) (*Answer, error) {
	return c.chat(ctx, q, emit)
}

func (c *Client) chat(ctx context.Context, q ChatRequest, emit func(string) error) (*Answer, error) {
	body, err := json.Marshal(struct {
		ChatRequest
		Stream bool `json:"stream,omitempty"`
	}{q, emit != nil})
	if err != nil {
		return nil, fmt.Errorf("%w: request: %w", ErrInput, err)
	}
	resp, err := c.post(ctx, "/v1/chat/completions", body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end or given up
	from := io.LimitReader(resp.Body, maxResponse+1)
	if emit == nil || resp.StatusCode != http.StatusOK {
		return whole(resp, from, body)
	}
	a := &Answer{Request: body}
	if err := a.stream(from, emit); err != nil {
		return nil, err
	}
	return a, nil
}

func (c *Client) post(ctx context.Context, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.BaseURL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	if c.HTTP == nil {
		return http.DefaultClient.Do(req)
	}
	return c.HTTP.Do(req)
}

// whole reads an answer in one piece, or the error that came instead.
func whole(resp *http.Response, from io.Reader, request []byte) (*Answer, error) {
	b, err := io.ReadAll(from)
	if err != nil {
		return nil, err
	}
	if len(b) > maxResponse {
		return nil, fmt.Errorf("%w: response: more than %d bytes", ErrInput, maxResponse)
	}
	a, err := readResponse(b, 0)
	if resp.StatusCode != http.StatusOK && (err == nil || a == nil) {
		return nil, fmt.Errorf("the gateway answers %s: %.200s", resp.Status, b)
	}
	if err != nil {
		return nil, err
	}
	a.Request = request
	return a, nil
}

func (a *Answer) stream(from io.Reader, emit func(string) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 4096), maxEvent)
	done := false
	for lines.Scan() {
		done = done || strings.TrimSpace(lines.Text()) == "data: [DONE]"
		a.Response = append(append(a.Response, lines.Bytes()...), '\n')
		data, ok := eventData(lines.Bytes())
		if !ok {
			continue
		}
		text, err := a.add(data)
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		if err := emit(text); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if !done {
		return fmt.Errorf("the gateway broke off its answer: %w", io.ErrUnexpectedEOF)
	}
	return nil
}
