// Uses a gateway through @anthropic-ai/sdk. Arguments: base URL, API key. The gateway is the one that sdk_test.go starts.
'use strict';
const assert = require('node:assert/strict');
const Anthropic = require('@anthropic-ai/sdk');

const [url, apiKey] = process.argv.slice(2);
const baseURL = url.replace(/\/v1$/, '');
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: 'user', content: 'hi' }];
const ask = { model: 'toy/bytes', max_tokens: 100, messages, temperature: 0.8, seed: 7 };
const tools = [{ name: 'f', description: 'd', input_schema: { type: 'object' } }];

async function fails(what, kind, promise) {
  const e = await promise.then(() => assert.fail(`${what}: nothing was thrown`), (e) => e);
  assert.ok(e instanceof kind, `${what}: got ${e.constructor.name} (${e.message}), want ${kind.name}`);
  return e;
}

(async () => {
  const { data, response } = await client.messages.create({ ...ask, system: 'be' }).withResponse();
  assert.deepEqual(data.content, [{ type: 'text', text: 'héllo' }]);
  assert.deepEqual([data.stop_reason, data.usage.output_tokens], ['end_turn', 7]);
  assert.equal(data.elenchus_receipt, response.headers.get('x-elenchus-receipt'));
  assert.equal(data._request_id, response.headers.get('request-id'));
  assert.equal((await client.messages.countTokens({ model: 'toy/bytes', system: 'be', messages })).input_tokens, data.usage.input_tokens);

  let text = '';
  let receipt;
  for await (const e of await client.messages.create({ ...ask, stream: true })) {
    if (e.type === 'content_block_delta') text += e.delta.text;
    receipt = e.elenchus_receipt ?? receipt;
  }
  assert.deepEqual([text, receipt], ['héllo', data.elenchus_receipt]);
  const final = await client.messages.stream(ask).finalMessage();
  assert.deepEqual([final.content[0].text, final.stop_reason], ['héllo', 'end_turn']);

  const called = await client.messages.create({ ...ask, model: 'caller', tools });
  assert.deepEqual(called.content.map((b) => [b.type, b.name, b.input]), [['tool_use', 'f', { x: 1 }]]);
  const streamed = await client.messages.stream({ ...ask, model: 'caller', tools }).finalMessage();
  assert.deepEqual(streamed.content.map((b) => [b.type, b.name, b.input]), [['tool_use', 'f', { x: 1 }]]);
  const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: called.content[0].id, content: 'r' }] };
  await client.messages.create({ ...ask, messages: [...messages, { role: 'assistant', content: called.content }, result] });

  const stranger = new Anthropic({ baseURL, apiKey: 'not-the-key', maxRetries: 0 });
  await fails('wrong key', Anthropic.AuthenticationError, stranger.messages.create(ask));
  await fails('no model', Anthropic.NotFoundError, client.messages.create({ ...ask, model: 'x' }));
  await fails('busy', Anthropic.RateLimitError, client.messages.create({ ...ask, model: 'busy' }));
  await fails('thinking', Anthropic.BadRequestError, client.messages.create({ ...ask, thinking: { type: 'enabled', budget_tokens: 1024 } }));
  const late = await fails('failure inside a stream', Anthropic.APIError, client.messages.stream({ ...ask, model: 'late' }).finalMessage());
  assert.match(late.message, /no node is available/);
  console.log('ok anthropic-node');
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
