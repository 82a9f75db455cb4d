// Command sdk uses a gateway through the official openai package for Go. Arguments: base URL, API key.
//
// It is a module of its own, so that the product depends on no client. The gateway is the one that
// service/gateway/sdk_test.go starts: model toy/bytes answers "héllo", caller calls f, busy and late fail.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

func main() {
	if len(os.Args) != 3 {
		fail("arguments: base URL, API key")
	}
	c := openai.NewClient(option.WithBaseURL(os.Args[1]), option.WithAPIKey(os.Args[2]), option.WithMaxRetries(0))
	ctx := context.Background()
	receipt := whole(ctx, c)
	streamed(ctx, c, receipt)
	completion(ctx, c)
	response(ctx, c)
	refusals(ctx, c)
	fmt.Println("ok openai-go")
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func equal(what string, got, want any) {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		fail("%s: got %v, want %v", what, got, want)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		fail("%v", err)
	}
	return v
}

// ask is a chat with a model.
func ask(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hi")},
		Temperature: openai.Float(0.8), Seed: openai.Int(7),
	}
}

func whole(ctx context.Context, c openai.Client) string {
	a := must(c.Chat.Completions.New(ctx, ask("toy/bytes")))
	equal("content", a.Choices[0].Message.Content, "héllo")
	equal("usage", a.Usage.TotalTokens, a.Usage.PromptTokens+a.Usage.CompletionTokens)
	receipt := a.JSON.ExtraFields["elenchus_receipt"].Raw()
	if len(receipt) < 3 {
		fail("receipt: %q", receipt)
	}
	q := ask("toy/bytes")
	q.N, q.Logprobs, q.TopLogprobs = openai.Int(2), openai.Bool(true), openai.Int(1)
	two := must(c.Chat.Completions.New(ctx, q))
	for i, k := range two.Choices {
		equal("choice", []any{k.Index, k.Message.Content, k.JSON.ExtraFields["elenchus_receipt"].Raw()}, []any{i, "héllo", receipt})
		equal("odds", k.Logprobs.Content[0].TopLogprobs[0].Token, "a")
	}
	equal("models", must(c.Models.Get(ctx, "toy/bytes")).OwnedBy, "elenchus")
	return receipt
}

func streamed(ctx context.Context, c openai.Client, receipt string) {
	for _, model := range []string{"toy/bytes", "caller"} {
		q := ask(model)
		q.StreamOptions.IncludeUsage = openai.Bool(true)
		if model == "caller" {
			q.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "f"})}
		}
		s, all, last := c.Chat.Completions.NewStreaming(ctx, q), openai.ChatCompletionAccumulator{}, ""
		for s.Next() {
			if !all.AddChunk(s.Current()) {
				fail("a chunk that the accumulator does not take: %s", s.Current().RawJSON())
			}
			last = s.Current().JSON.ExtraFields["elenchus_receipt"].Raw()
		}
		if err := s.Err(); err != nil {
			fail("%v", err)
		}
		equal("streamed receipt", last, receipt)
		if model == "caller" {
			equal("call", all.Choices[0].Message.ToolCalls[0].Function.Arguments, `{"x":1}`)
			continue
		}
		equal("streamed", []any{all.Choices[0].Message.Content, all.Usage.CompletionTokens}, []any{"héllo", 7})
	}
}

func completion(ctx context.Context, c openai.Client) {
	a := must(c.Completions.New(ctx, openai.CompletionNewParams{
		Model: "toy/bytes", Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"a", "b"}}, Echo: openai.Bool(true),
	}))
	equal("completion", []any{a.Choices[0].Text, a.Choices[1].Text}, []any{"ahéllo", "bhéllo"})
}

func response(ctx context.Context, c openai.Client) {
	q := responses.ResponseNewParams{Model: "toy/bytes", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hi")}}
	first := must(c.Responses.New(ctx, q))
	equal("response", first.OutputText(), "héllo")
	q.PreviousResponseID = openai.String(first.ID)
	s, text := c.Responses.NewStreaming(ctx, q), ""
	for s.Next() {
		if s.Current().Type == "response.output_text.delta" {
			text += s.Current().Delta
		}
	}
	if err := s.Err(); err != nil {
		fail("%v", err)
	}
	equal("streamed response", text, "héllo")
}

func refusals(ctx context.Context, c openai.Client) {
	for model, want := range map[string]int{"busy": 429, "down": 503, "gpt-4": 404} {
		_, err := c.Chat.Completions.New(ctx, ask(model))
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != want || e.Code == "" {
			fail("%s: %v, want %d with a code", model, err, want)
		}
	}
	s := c.Chat.Completions.NewStreaming(ctx, ask("late"))
	for s.Next() {
	}
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "no node is available") {
		fail("late: %v", err)
	}
}
