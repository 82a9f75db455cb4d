"""Uses a gateway through the official ollama package for Python. Arguments: base URL, API key.

The gateway is the one that sdk_test.go starts: model toy/bytes answers "héllo", caller calls f, busy and late fail."""
import sys

import ollama

base, key = sys.argv[1].removesuffix("/v1"), sys.argv[2]
client = ollama.Client(host=base, headers={"Authorization": "Bearer " + key})
ask = dict(model="toy/bytes", messages=[{"role": "user", "content": "hi"}], options={"temperature": 0.8, "seed": 7, "num_ctx": 2048})
tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}}}


def equal(what, got, want):
    if got != want:
        sys.exit(f"{what}: got {got!r}, want {want!r}")


def fails(what, call, status, text=""):
    try:
        call()
    except ollama.ResponseError as e:
        equal(f"{what}: {e.error} has {text!r}", (e.status_code, text in e.error), (status, True))
        return
    sys.exit(f"{what}: nothing was raised")


answer = client.chat(**ask)
equal("chat", (answer.message.content, answer.message.role, answer.done, answer.done_reason), ("héllo", "assistant", True, "stop"))
equal("counts", (answer.prompt_eval_count, answer.eval_count), (6, 7))
lines = list(client.chat(stream=True, **ask))
equal("streamed chat", "".join(line.message.content for line in lines), "héllo")
equal("last line", [line.done for line in lines].index(True), len(lines) - 1)
equal("generate", client.generate(model="toy/bytes:latest", prompt="hi", system="be").response, "héllo")
equal("streamed generate", "".join(line.response for line in client.generate(model="toy/bytes", prompt="hi", raw=True, stream=True)), "héllo")

caller = {**ask, "model": "caller", "tools": [tool]}
called = client.chat(**caller)
equal("call", [(c.function.name, c.function.arguments) for c in called.message.tool_calls], [("f", {"x": 1})])
calls = [c.function.name for line in client.chat(stream=True, **caller) for c in line.message.tool_calls or []]
equal("streamed call", calls, ["f"])
client.chat(**{**ask, "messages": [*ask["messages"], called.message, {"role": "tool", "tool_name": "f", "content": "r"}]})

thinks = {**ask, "model": "thinker"}
thought = client.chat(**thinks)
equal("thinking", (thought.message.thinking, thought.message.content), ("let me see", "done"))
lines = list(client.chat(stream=True, **thinks))
equal("streamed thinking", ("".join(x.message.thinking or "" for x in lines), "".join(x.message.content for x in lines)), ("let me see", "done"))
quiet = client.chat(think=False, **thinks)
equal("told not to think", (quiet.message.thinking, quiet.message.content), (None, "done"))
equal("generate, thinking", client.generate(model="thinker", prompt="hi", think=True).thinking, "let me see")
client.chat(**{**thinks, "messages": [*ask["messages"], thought.message, {"role": "user", "content": "and?"}]})

equal("models", client.list().models[0].model, "toy/bytes")
equal("running", client.ps().models[0].context_length, client.show("toy/bytes").modelinfo["elenchus.context_length"])
equal("abilities", client.show("toy/bytes").capabilities, ["completion", "tools"])
equal("abilities of one that thinks", client.show("thinker").capabilities, ["completion", "tools", "thinking"])

equal("pull", [step.status for step in client.pull("toy/bytes", stream=True)], ["pulling manifest", "success"])
fails("pull of another", lambda: client.pull("who/tiny"), 403, "--allow-pull")

stranger = ollama.Client(host=base, headers={"Authorization": "Bearer not-the-key"})
fails("wrong key", lambda: stranger.list(), 401)
fails("no such model", lambda: client.chat(**{**ask, "model": "x"}), 404, "does not exist")
fails("busy", lambda: client.chat(**{**ask, "model": "busy"}), 429)
fails("format", lambda: client.chat(format={"type": "nothing"}, **ask), 400, "format")
fails("failure inside a stream", lambda: list(client.chat(stream=True, **{**ask, "model": "late"})), -1, "no node is available")
print("ok ollama-python")
