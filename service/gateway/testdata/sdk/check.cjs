// Uses a gateway through the official openai package for Node. Arguments: base URL, API key.
// The gateway is the one that sdk_test.go starts: model toy/bytes answers "héllo", busy, down and late fail.
'use strict';
const assert = require('node:assert/strict');
const OpenAI = require('openai');

const [base, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0 });
const chat = { model: 'toy/bytes', messages: [{ role: 'user', content: 'hi' }], temperature: 0.8, seed: 7 };

// fails checks that promise rejects with an error of class kind and, if given, with code.
async function fails(what, kind, promise, code) {
  try {
    await promise;
  } catch (e) {
    assert.ok(e instanceof kind, `${what}: got ${e.constructor.name} (${e.message}), want ${kind.name}`);
    if (code) assert.equal(e.code, code, what);
    return e;
  }
  assert.fail(`${what}: nothing was thrown, want ${kind.name}`);
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

async function models() {
  const ids = [];
  for await (const m of client.models.list()) ids.push(m.id);
  assert.equal(ids[0], 'toy/bytes');
  assert.equal((await client.models.retrieve('toy/bytes')).owned_by, 'elenchus');
  await fails('unknown model', OpenAI.NotFoundError, client.models.retrieve('gpt-4'), 'model_not_found');
}

async function wholeChat() {
  const { data, response } = await client.chat.completions.create(chat).withResponse();
  assert.equal(data.choices[0].message.content, 'héllo');
  assert.equal(data.choices[0].finish_reason, 'stop');
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
  assert.equal(data.system_fingerprint.length, 64);
  assert.equal(data.elenchus_receipt, response.headers.get('x-elenchus-receipt'));
  assert.equal(data._request_id, response.headers.get('x-request-id'));
  return data.elenchus_receipt;
}

async function streamedChat(receipt) {
  for (const stream_options of [undefined, { include_usage: true }, { include_usage: false }]) {
    const { data, response } = await client.chat.completions.create({ ...chat, stream: true, stream_options }).withResponse();
    assert.ok(response.headers.get('x-elenchus-receipt-id'));
    const chunks = await collect(data);
    const what = JSON.stringify(stream_options);
    assert.equal(chunks.map((c) => c.choices[0]?.delta?.content ?? '').join(''), 'héllo', what);
    const last = chunks.at(-1);
    assert.equal(last.elenchus_receipt, receipt, what);
    const wanted = stream_options?.include_usage === true;
    assert.equal(last.choices.length, wanted ? 0 : 1, what);
    assert.equal(last.usage != null, wanted, what);
  }
  const helper = client.chat.completions.stream(chat);
  const final = await helper.finalChatCompletion();
  assert.equal(final.choices[0].message.content, 'héllo');
  assert.equal(final.elenchus_receipt, receipt);
}

async function completions(receipt) {
  for (const prompt of ['hi', [104, 105], ['hi'], [[104, 105]]]) {
    const whole = await client.completions.create({ model: 'toy/bytes', prompt, max_tokens: 20 });
    assert.equal(whole.choices[0].text, 'héllo');
    assert.equal(whole.usage.prompt_tokens, 2);
  }
  const pieces = await collect(await client.completions.create({ model: 'toy/bytes', prompt: 'hi', stream: true }));
  assert.equal(pieces.map((p) => p.choices[0]?.text ?? '').join(''), 'héllo');
  assert.equal(pieces.at(-1).elenchus_receipt, receipt);
}

async function choices(receipt) {
  const both = await client.chat.completions.create({ ...chat, n: 2 });
  assert.deepEqual(both.choices.map((c) => [c.message.content, c.elenchus_receipt]), [['héllo', receipt], ['héllo', receipt]]);
  const final = await client.chat.completions.stream({ ...chat, n: 2, logprobs: true }).finalChatCompletion();
  for (const c of final.choices) {
    assert.equal(c.message.content, 'héllo');
    assert.equal(c.elenchus_receipt, receipt);
    assert.equal(Buffer.from(c.logprobs.content.flatMap((t) => t.bytes)).toString(), 'héllo');
  }
  const pair = await client.completions.create({ model: 'toy/bytes', prompt: ['a', 'b'], echo: true });
  assert.deepEqual(pair.choices.map((c) => c.text), ['ahéllo', 'bhéllo']);
}

async function responses(receipt) {
  const ask = { model: 'toy/bytes', input: 'hi' };
  const tools = [{ type: 'function', name: 'f', parameters: { type: 'object' }, strict: false }];
  const { data, response } = await client.responses.create(ask).withResponse();
  assert.equal(data.output_text, 'héllo');
  assert.equal(data.elenchus_receipt, receipt);
  assert.equal(response.headers.get('x-elenchus-receipt'), receipt);
  const second = await client.responses.create({ ...ask, previous_response_id: data.id });
  assert.equal((await client.responses.retrieve(second.id)).output_text, 'héllo');
  await client.responses.delete(second.id);
  await fails('deleted', OpenAI.NotFoundError, client.responses.retrieve(second.id), 'response_not_found');
  const events = await collect(await client.responses.create({ ...ask, stream: true }));
  assert.equal(events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join(''), 'héllo');
  assert.equal(events.at(-1).type, 'response.completed');
  assert.equal(events.at(-1).response.elenchus_receipt, receipt);
  const final = await client.responses.stream(ask).finalResponse();
  assert.equal(final.output_text, 'héllo');
  const called = await client.responses.stream({ ...ask, model: 'caller', tools }).finalResponse();
  assert.deepEqual(called.output.map((o) => [o.type, o.name, o.arguments]), [['function_call', 'f', '{"x":1}']]);
  await client.responses.create({
    ...ask, previous_response_id: called.id, input: [{ type: 'function_call_output', call_id: called.output[0].call_id, output: 'r' }],
  });
  const late = await collect(await client.responses.create({ ...ask, model: 'late', stream: true }));
  assert.match(late.at(-1).response.error.message, /no node is available/);
  await fails('background', OpenAI.BadRequestError, client.responses.create({ ...ask, background: true }), 'unsupported_parameter');
}

async function errors() {
  const create = (more) => client.chat.completions.create({ ...chat, ...more });
  const stranger = new OpenAI({ baseURL: base, apiKey: 'not-the-key', maxRetries: 0 });
  await fails('wrong key', OpenAI.AuthenticationError, stranger.models.list(), 'invalid_api_key');
  await fails('no such model', OpenAI.NotFoundError, create({ model: 'gpt-4' }), 'model_not_found');
  await fails('busy', OpenAI.RateLimitError, create({ model: 'busy' }), 'rate_limit_exceeded');
  await fails('down', OpenAI.InternalServerError, create({ model: 'down' }), 'unavailable');
  const e = await fails('n', OpenAI.BadRequestError, create({ n: 17 }), 'invalid_value');
  assert.equal(e.param, 'n');
  await fails('format', OpenAI.BadRequestError, create({ response_format: { type: 'grammar' } }), 'unsupported_parameter');
  const late = await fails('failure inside a stream', OpenAI.APIError, create({ model: 'late', stream: true }).then(collect));
  assert.match(late.message, /no node is available/);
}

async function abort() {
  const stream = await client.chat.completions.create({ ...chat, model: 'endless', stream: true });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta?.content) break; // closes the connection
  }
}

(async () => {
  await models();
  const receipt = await wholeChat();
  await streamedChat(receipt);
  await completions(receipt);
  await choices(receipt);
  await responses(receipt);
  await errors();
  await abort();
  console.log('ok openai-node', require('openai/version').VERSION);
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
