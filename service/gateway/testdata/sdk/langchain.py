"""Uses a gateway through langchain-openai. Arguments: base URL, API key. The gateway is the one that sdk_test.go starts."""
import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

base, key = sys.argv[1], sys.argv[2]
f = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}}}


def equal(what, got, want):
    if got != want:
        sys.exit(f"{what}: got {got!r}, want {want!r}")


def model(name, **more):
    return ChatOpenAI(model=name, base_url=base, api_key=key, temperature=0.8, max_retries=0, **more)


for api in ({"seed": 7}, {"use_responses_api": True}):
    chat = model("toy/bytes", **api)
    answer = chat.invoke("hi")
    equal(f"{api}: answer", (answer.text, answer.usage_metadata["output_tokens"]), ("héllo", 7))
    equal(f"{api}: streamed", "".join(c.text for c in chat.stream("hi")), "héllo")
    caller = model("caller", **api).bind_tools([f])
    called = caller.invoke("hi")
    equal(f"{api}: call", [(c["name"], c["args"]) for c in called.tool_calls], [("f", {"x": 1})])
    whole = None
    for chunk in caller.stream("hi"):
        whole = chunk if whole is None else whole + chunk
    equal(f"{api}: streamed call", [(c["name"], c["args"]) for c in whole.tool_calls], [("f", {"x": 1})])
    back = chat.invoke([HumanMessage("hi"), called, ToolMessage("r", tool_call_id=called.tool_calls[0]["id"])])
    equal(f"{api}: result", back.text, "héllo")
    try:
        model("busy", **api).invoke("hi")
        sys.exit(f"{api}: busy: nothing was raised")
    except Exception as e:
        equal(f"{api}: busy", type(e).__name__ in ("RateLimitError", "OpenAIRateLimitError"), True)
odds = model("toy/bytes", logprobs=True, top_logprobs=1).invoke("hi")
equal("odds", odds.response_metadata["logprobs"]["content"][0]["top_logprobs"][0]["token"], "a")
print("ok langchain-python")
