"""Uses a gateway through the official openai package for Python. Arguments: base URL, API key.

The gateway is the one that sdk_test.go starts: model toy/bytes answers "héllo", busy, down and late fail."""
import sys
import typing

import openai
import pydantic

base, key = sys.argv[1], sys.argv[2]
client = openai.OpenAI(base_url=base, api_key=key, max_retries=0)
chat = dict(model="toy/bytes", messages=[{"role": "user", "content": "hi"}], temperature=0.8, seed=7)


def equal(what, got, want):
    if got != want:
        sys.exit(f"{what}: got {got!r}, want {want!r}")


def fails(what, kind, call, code=None):
    try:
        call()
    except kind as e:
        if code is not None:
            equal(f"{what}: code", e.code, code)
        return e
    except Exception as e:
        sys.exit(f"{what}: got {type(e).__name__} ({e}), want {kind.__name__}")
    sys.exit(f"{what}: nothing was raised, want {kind.__name__}")


# models
ids = [m.id for m in client.models.list()]
equal("models", ids[0], "toy/bytes")
model = client.models.retrieve("toy/bytes")
equal("model", (model.id, model.object, model.owned_by), ("toy/bytes", "model", "elenchus"))
fails("unknown model", openai.NotFoundError, lambda: client.models.retrieve("gpt-4"), "model_not_found")

# embeddings: the SDK asks for base64 unless told otherwise
made = client.embeddings.create(model="toy/vectors", input=["abc", "b"])
equal("embeddings", [d.embedding[:2] for d in made.data], [[3.0, 97.0], [1.0, 98.0]])
equal("embedding usage", made.usage.total_tokens, 4)
equal("embedding receipt", bool(made.data[0].elenchus_receipt), True)
made = client.embeddings.create(model="toy/vectors", input=[[7, 8]], encoding_format="float", dimensions=3)
equal("embedding of ids", made.data[0].embedding[:2], [2.0, 7.0])
fails("dimensions", openai.BadRequestError, lambda: client.embeddings.create(model="toy/vectors", input="a", dimensions=2), "unsupported_parameter")
fails("no vector", openai.BadRequestError, lambda: client.embeddings.create(model="toy/vectors", input=""), "invalid_value")

# chat, whole
raw = client.chat.completions.with_raw_response.create(**chat)
answer = raw.parse()
equal("content", answer.choices[0].message.content, "héllo")
equal("role", answer.choices[0].message.role, "assistant")
equal("finish_reason", answer.choices[0].finish_reason, "stop")
equal("usage", answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
equal("fingerprint", answer.system_fingerprint, model.elenchus_model_id)
equal("receipt", answer.elenchus_receipt, raw.headers["x-elenchus-receipt"])
equal("request id", answer._request_id, raw.headers["x-request-id"])
receipt = answer.elenchus_receipt

# chat, streamed; the usage chunk comes when asked for, the receipt always on the last chunk
for options in (None, {"include_usage": True}, {"include_usage": False}):
    extra = {} if options is None else {"stream_options": options}
    chunks = list(client.chat.completions.create(stream=True, **chat, **extra))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    equal(f"{options}: streamed text", text, "héllo")
    equal(f"{options}: role", chunks[0].choices[0].delta.role, "assistant")
    equal(f"{options}: receipt", chunks[-1].elenchus_receipt, receipt)
    wanted = options == {"include_usage": True}
    equal(f"{options}: last chunk has choices", bool(chunks[-1].choices), not wanted)
    equal(f"{options}: last chunk has usage", chunks[-1].usage is not None, wanted)
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    equal(f"{options}: finish", reasons, ["stop"])

# the accumulating helper
with client.chat.completions.stream(**chat) as stream:
    raw_chunks = [event.chunk for event in stream if event.type == "chunk"]
    final = stream.get_final_completion()
equal("accumulated text", final.choices[0].message.content, "héllo")
# The helper's final object drops fields it does not know; its chunk events keep them.
equal("receipt through the helper", raw_chunks[-1].elenchus_receipt, receipt)

# completions
for prompt in ("hi", [104, 105], ["hi"], [[104, 105]]):
    whole = client.completions.create(model="toy/bytes", prompt=prompt, max_tokens=20)
    equal(f"completion of {prompt}", whole.choices[0].text, "héllo")
    equal(f"usage of {prompt}", whole.usage.prompt_tokens, 2)
pieces = list(client.completions.create(model="toy/bytes", prompt="hi", stream=True))
equal("streamed completion", "".join(p.choices[0].text for p in pieces if p.choices), "héllo")
equal("completion receipt", pieces[-1].elenchus_receipt, receipt)

# several choices, odds, echo: every field checked against the client's models
strict = openai.OpenAI(base_url=base, api_key=key, max_retries=0, _strict_response_validation=True)
strict.models.list()
strict.chat.completions.create(**chat)
two = strict.chat.completions.create(n=2, **chat)
equal("choices", [(c.index, c.message.content, c.elenchus_receipt) for c in two.choices], [(0, "héllo", receipt), (1, "héllo", receipt)])
both = strict.completions.create(model="toy/bytes", prompt=["a", "b"], echo=True)
equal("prompts", [c.text for c in both.choices], ["ahéllo", "bhéllo"])
pieces = list(strict.chat.completions.create(n=2, stream=True, **chat))
for i in range(2):
    mine = [c for p in pieces for c in p.choices if c.index == i]
    equal(f"streamed choice {i}", "".join(c.delta.content or "" for c in mine), "héllo")
    equal(f"receipt of choice {i}", mine[-1].elenchus_receipt, receipt)
odd = strict.chat.completions.create(logprobs=True, top_logprobs=2, **chat).choices[0].logprobs.content
equal("odds", bytes(b for t in odd for b in t.bytes).decode(), "héllo")
equal("alternatives", [(t.token, t.logprob) for t in odd[0].top_logprobs], [("a", -1.0), ("b", -2.0)])
pieces = list(strict.chat.completions.create(logprobs=True, stream=True, **chat))
streamed = [t for p in pieces for c in p.choices if c.logprobs for t in c.logprobs.content]
equal("streamed odds", [t.logprob for t in streamed], [t.logprob for t in odd])
legacy = strict.completions.create(model="toy/bytes", prompt="hi", logprobs=1).choices[0].logprobs
equal("odds of a completion", (legacy.tokens[0], legacy.text_offset[0], legacy.top_logprobs[0]), ("h", 0, {"a": -1.0}))
routed = strict.chat.completions.create(extra_body={"provider": {"sort": "latency"}, "verification": {"level": "none"}}, **chat)
equal("without receipt", getattr(routed, "elenchus_receipt", None), None)

# reasoning
thinks = {**chat, "model": "thinker"}
thought = strict.chat.completions.create(**thinks)
message = thought.choices[0].message
equal("reasoning", (message.reasoning_content, message.reasoning, message.content), ("let me see", "let me see", "done"))
equal("reasoning tokens", thought.usage.completion_tokens_details.reasoning_tokens, len("<think>let me see</think>"))
pieces = [c.delta for p in strict.chat.completions.create(stream=True, **thinks) for c in p.choices]
equal("streamed reasoning", "".join(getattr(d, "reasoning_content", None) or "" for d in pieces), "let me see")
equal("text after it", "".join(d.content or "" for d in pieces), "done")
quiet = strict.chat.completions.create(reasoning_effort="none", **thinks).choices[0].message
equal("no effort", (getattr(quiet, "reasoning", None), quiet.content), (None, "done"))
back = {"role": "assistant", "content": "done", "reasoning_content": "let me see"}
strict.chat.completions.create(**{**thinks, "messages": [*chat["messages"], back, {"role": "user", "content": "and?"}]})
whole = strict.responses.create(model="thinker", input="hi", reasoning={"effort": "medium", "summary": "auto"})
equal("reasoning item", [(i.type, i.content[0].text) for i in whole.output], [("reasoning", "let me see"), ("message", "done")])
equal("response: reasoning", (whole.reasoning.effort, whole.usage.output_tokens_details.reasoning_tokens), ("medium", len("<think>let me see</think>")))
events = list(strict.responses.create(model="thinker", input="hi", stream=True))
equal("reasoning events", "".join(e.delta for e in events if e.type == "response.reasoning_text.delta"), "let me see")
equal("reasoning at the end", [i.type for i in events[-1].response.output], ["reasoning", "message"])
again = [{"role": "user", "content": "hi"}, *[i.model_dump(exclude_none=True) for i in whole.output], {"role": "user", "content": "and?"}]
strict.responses.create(model="thinker", input=again)

# errors
create = client.chat.completions.create
stranger = openai.OpenAI(base_url=base, api_key="not-the-key", max_retries=0)
fails("wrong key", openai.AuthenticationError, lambda: stranger.models.list(), "invalid_api_key")
fails("no such model", openai.NotFoundError, lambda: create(**{**chat, "model": "gpt-4"}), "model_not_found")
fails("busy", openai.RateLimitError, lambda: create(**{**chat, "model": "busy"}), "rate_limit_exceeded")
fails("down", openai.InternalServerError, lambda: create(**{**chat, "model": "down"}), "unavailable")
e = fails("n", openai.BadRequestError, lambda: create(n=17, **chat), "invalid_value")
equal("n: param", e.param, "n")
fails("format", openai.BadRequestError, lambda: create(response_format={"type": "grammar"}, **chat), "unsupported_parameter")
forced = create(tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}], tool_choice="required", **chat)
equal("forced tool", [c.function.name for c in forced.choices[0].message.tool_calls], ["f"])
fails("long prompt", openai.BadRequestError,
      lambda: client.completions.create(model="toy/bytes", prompt="x" * 1000), "context_length_exceeded")
e = fails("failure inside a stream", openai.APIError, lambda: list(create(**{**chat, "model": "late"}, stream=True)))
if "no node is available" not in str(e):
    sys.exit(f"failure inside a stream: message lost: {e}")
# responses
tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
ask = dict(model="toy/bytes", input="hi", temperature=0.8)
raw = strict.responses.with_raw_response.create(instructions="be", metadata={"a": "b"}, **ask)
whole = raw.parse()
equal("response", (whole.output_text, whole.status, whole.instructions, whole.temperature), ("héllo", "completed", "be", 0.8))
equal("response: usage", whole.usage.total_tokens, whole.usage.input_tokens + whole.usage.output_tokens)
equal("response: receipt", (whole.elenchus_receipt, raw.headers["x-elenchus-receipt"]), (receipt, receipt))
second = strict.responses.create(model="toy/bytes", input=[{"role": "user", "content": "and"}], previous_response_id=whole.id)
equal("response: previous", second.previous_response_id, whole.id)
equal("response: kept", strict.responses.retrieve(second.id).output_text, "héllo")
strict.responses.delete(second.id)
fails("response: deleted", openai.NotFoundError, lambda: strict.responses.retrieve(second.id), "response_not_found")
fails("response: unknown", openai.NotFoundError,
      lambda: strict.responses.create(previous_response_id=second.id, **ask), "previous_response_not_found")
events = list(strict.responses.create(stream=True, **ask))
equal("response: events", [e.sequence_number for e in events], list(range(len(events))))
equal("response: first and last", (events[0].type, events[-1].type), ("response.created", "response.completed"))
equal("response: pieces", "".join(e.delta for e in events if e.type == "response.output_text.delta"), "héllo")
equal("response: last", (events[-1].response.output_text, events[-1].response.elenchus_receipt), ("héllo", receipt))
with strict.responses.stream(**ask) as stream:
    for event in stream:
        pass
    equal("response: helper", stream.get_final_response().output_text, "héllo")
called = strict.responses.create(**{**ask, "model": "caller"}, tools=[tool])
equal("response: call", [(o.type, o.name, o.arguments) for o in called.output], [("function_call", "f", '{"x":1}')])
result = {"type": "function_call_output", "call_id": called.output[0].call_id, "output": "r"}
strict.responses.create(model="toy/bytes", input=[*[o.model_dump(exclude_none=True) for o in called.output], result])
strict.responses.create(model="toy/bytes", input=[result], previous_response_id=called.id)
with strict.responses.stream(**{**ask, "model": "caller"}, tools=[tool]) as stream:
    equal("response: streamed call", [e.arguments for e in stream if e.type == "response.function_call_arguments.done"], ['{"x":1}'])
    equal("response: helper call", stream.get_final_response().output[0].arguments, '{"x":1}')
events = list(strict.responses.create(stream=True, **{**ask, "model": "late"}))
equal("response: failed", (events[-1].type, "no node is available" in events[-1].response.error.message), ("response.failed", True))
fails("response: background", openai.BadRequestError, lambda: strict.responses.create(background=True, **ask), "unsupported_parameter")
fails("response: busy", openai.RateLimitError, lambda: strict.responses.create(**{**ask, "model": "busy"}))

# stop strings: a list or a text, whole and streamed, across tokens
cut = client.chat.completions.create(**chat, stop=["zz", "lo"])
equal("stopped", (cut.choices[0].message.content, cut.choices[0].finish_reason), ("h\u00e9l", "stop"))
chunks = list(client.chat.completions.create(**chat, stop="lo", stream=True))
equal("stopped stream", "".join(c.choices[0].delta.content or "" for c in chunks if c.choices), "h\u00e9l")
cut = client.completions.create(model="toy/bytes", prompt="a", stop="\u00e9l", temperature=0)
equal("stopped text", (cut.choices[0].text, cut.choices[0].finish_reason), ("h", "stop"))
fails("five stop strings", openai.BadRequestError, lambda: client.chat.completions.create(**chat, stop=list("abcde")))

# answers of a schema, by the helpers of the SDK: they send the schema of a class and read the answer into it
class Place(pydantic.BaseModel):
    name: typing.Literal["Rome"]
    height: typing.Literal[37]
    river: typing.Optional[typing.Literal["Tiber"]]


parsed = client.chat.completions.parse(response_format=Place, **chat).choices[0].message.parsed
equal("parsed", (type(parsed), parsed.name, parsed.height), (Place, "Rome", 37))
with client.chat.completions.stream(response_format=Place, **chat) as stream:
    equal("parsed stream", stream.get_final_completion().choices[0].message.parsed, parsed)
equal("parsed response", client.responses.parse(model="toy/bytes", input="hi", text_format=Place).output_parsed, parsed)
fails("schema", openai.BadRequestError, lambda: client.chat.completions.create(
    response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": {"not": {}}}}, **chat), "invalid_value")
print("ok openai-python", openai.__version__)
