"""Uses a gateway through the official anthropic package for Python. Arguments: base URL, API key.

The gateway is the one that sdk_test.go starts: model toy/bytes answers "héllo", caller calls f, busy, down and late fail."""
import sys

import anthropic

base, key = sys.argv[1].removesuffix("/v1"), sys.argv[2]
client = anthropic.Anthropic(base_url=base, api_key=key, max_retries=0, _strict_response_validation=True)
turns = [{"role": "user", "content": "hi"}]
ask = dict(model="toy/bytes", max_tokens=100, messages=turns, extra_body={"temperature": 0.8, "seed": 7})
tools = [{"name": "f", "description": "d", "input_schema": {"type": "object"}}]


def equal(what, got, want):
    if got != want:
        sys.exit(f"{what}: got {got!r}, want {want!r}")


def fails(what, kind, call, text=""):
    try:
        call()
    except kind as e:
        equal(f"{what}: {e} has {text!r}", text in str(e), True)
        return
    except Exception as e:
        sys.exit(f"{what}: got {type(e).__name__} ({e}), want {kind.__name__}")
    sys.exit(f"{what}: nothing was raised, want {kind.__name__}")


raw = client.messages.with_raw_response.create(system="be", **ask)
whole = raw.parse()
equal("content", [(b.type, b.text) for b in whole.content], [("text", "héllo")])
equal("stop", (whole.stop_reason, whole.stop_sequence), ("end_turn", None))
equal("usage", whole.usage.input_tokens, client.messages.count_tokens(model="toy/bytes", system="be", messages=turns).input_tokens)
equal("receipt", whole.elenchus_receipt, raw.headers["x-elenchus-receipt"])
equal("request id", whole._request_id, raw.headers["x-request-id"])
receipt = whole.elenchus_receipt

events = list(client.messages.create(stream=True, **ask))
equal("events", [e.type for e in events if e.type != "content_block_delta"],
      ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"])
equal("streamed", "".join(e.delta.text for e in events if e.type == "content_block_delta"), "héllo")
equal("streamed receipt", events[-2].elenchus_receipt, receipt)
with client.messages.stream(**ask) as stream:
    kept = [e.elenchus_receipt for e in stream if e.type == "message_delta"]
    final = stream.get_final_message()
equal("helper", (final.content[0].text, final.stop_reason, final.usage.output_tokens, kept), ("héllo", "end_turn", 7, [receipt]))

caller = {**ask, "model": "caller", "tools": tools}
called = client.messages.create(**caller)
equal("use", [(b.type, b.name, b.input) for b in called.content], [("tool_use", "f", {"x": 1})])
equal("use: stop", called.stop_reason, "tool_use")
with client.messages.stream(**caller) as stream:
    final = stream.get_final_message()
equal("streamed use", [(b.type, b.name, b.input) for b in final.content], [("tool_use", "f", {"x": 1})])
result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": called.content[0].id, "content": "r"}]}
client.messages.create(**{**ask, "messages": [*turns, {"role": "assistant", "content": called.content}, result]})

# reasoning: blocks of their own, which go back with the calls
thinks = {**ask, "model": "thinker", "tools": tools, "thinking": {"type": "enabled", "budget_tokens": 1024}}
thought = client.messages.create(**thinks)
equal("thinking", [b.type for b in thought.content], ["thinking", "tool_use"])
equal("thought", (thought.content[0].thinking, bool(thought.content[0].signature)), ("let me see", True))
with client.messages.stream(**thinks) as stream:
    final = stream.get_final_message()
equal("streamed thinking", [b.type for b in final.content], ["thinking", "tool_use"])
equal("streamed thought", (final.content[0].thinking, final.content[0].signature), ("let me see", thought.content[0].signature))
result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": final.content[1].id, "content": "r"}]}
after = client.messages.create(**{**thinks, "messages": [*turns, {"role": "assistant", "content": final.content}, result]})
equal("after thinking", [b.type for b in after.content], ["thinking", "text"])
quiet = client.messages.create(**{**ask, "model": "thinker"})
equal("quiet", [(b.type, b.text) for b in quiet.content], [("text", "done")])

create = client.messages.create
stranger = anthropic.Anthropic(base_url=base, api_key="not-the-key", max_retries=0)
fails("wrong key", anthropic.AuthenticationError, lambda: stranger.messages.create(**ask))
fails("no such model", anthropic.NotFoundError, lambda: create(**{**ask, "model": "x"}), "does not exist")
fails("busy", anthropic.RateLimitError, lambda: create(**{**ask, "model": "busy"}))
fails("down", anthropic.InternalServerError, lambda: create(**{**ask, "model": "down"}))
fails("thinking", anthropic.BadRequestError, lambda: create(thinking={"type": "enabled", "budget_tokens": 1024}, **ask), "thinking")
fails("failure inside a stream", anthropic.APIStatusError, lambda: list(create(**{**ask, "model": "late"}, stream=True)),
      "no node is available")

cut = create(stop_sequences=["zz", "lo"], **ask)
equal("stopped", ([b.text for b in cut.content], cut.stop_reason, cut.stop_sequence), (["h\u00e9l"], "stop_sequence", "lo"))
with client.messages.stream(stop_sequences=["lo"], **ask) as stream:
    equal("stopped stream", "".join(stream.text_stream), "h\u00e9l")
    final = stream.get_final_message()
    equal("stopped by", (final.stop_reason, final.stop_sequence), ("stop_sequence", "lo"))
print("ok anthropic-python", anthropic.__version__)
