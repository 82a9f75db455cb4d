// Uses a gateway through the ollama package for Node. Arguments: base URL, API key. The gateway is the one that sdk_test.go starts.
'use strict';
const assert = require('node:assert/strict');
const { Ollama } = require('ollama');

const [url, key] = process.argv.slice(2);
const host = url.replace(/\/v1$/, '');
const client = new Ollama({ host, headers: { Authorization: `Bearer ${key}` } });
const ask = { model: 'toy/bytes', messages: [{ role: 'user', content: 'hi' }], options: { temperature: 0.8, seed: 7, num_ctx: 2048 } };
const tools = [{ type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object', properties: { x: { type: 'number' } } } } }];

async function join(stream, piece) {
  let text = '';
  for await (const line of stream) text += piece(line);
  return text;
}

(async () => {
  const answer = await client.chat(ask);
  assert.deepEqual([answer.message.content, answer.done_reason, answer.eval_count], ['héllo', 'stop', 7]);
  assert.ok(answer.elenchus_receipt);
  assert.equal(await join(await client.chat({ ...ask, stream: true }), (l) => l.message.content), 'héllo');
  assert.equal((await client.generate({ model: 'toy/bytes:latest', prompt: 'hi', system: 'be' })).response, 'héllo');
  assert.equal(await join(await client.generate({ model: 'toy/bytes', prompt: 'hi', raw: true, stream: true }), (l) => l.response), 'héllo');
  const odds = await client.generate({ model: 'toy/bytes', prompt: 'hi', logprobs: true, top_logprobs: 1 });
  assert.equal(odds.logprobs[0].top_logprobs[0].token, 'a');

  const called = await client.chat({ ...ask, model: 'caller', tools });
  assert.deepEqual(called.message.tool_calls.map((c) => [c.function.name, c.function.arguments]), [['f', { x: 1 }]]);
  await client.chat({ ...ask, messages: [...ask.messages, called.message, { role: 'tool', tool_name: 'f', content: 'r' }] });

  assert.equal((await client.list()).models[0].name, 'toy/bytes');
  assert.equal((await client.ps()).models[0].name, 'toy/bytes');
  assert.deepEqual((await client.show({ model: 'toy/bytes' })).capabilities, ['completion', 'tools']);
  const steps = [];
  for await (const step of await client.pull({ model: 'toy/bytes', stream: true })) steps.push(step.status);
  assert.deepEqual(steps, ['pulling manifest', 'success']);
  assert.equal((await client.pull({ model: 'toy/bytes' })).status, 'success');
  await assert.rejects(client.pull({ model: 'who/tiny' }), (e) => e.status_code === 403 && /--allow-pull/.test(e.message));
  await assert.rejects(client.chat({ ...ask, model: 'x' }), (e) => e.status_code === 404 && /does not exist/.test(e.message));
  await assert.rejects(client.chat({ ...ask, format: 'yaml' }), (e) => e.status_code === 400);
  await assert.rejects(client.chat({ ...ask, model: 'late', stream: true }).then((s) => join(s, () => '')), /no node is available/);
  await assert.rejects(new Ollama({ host }).list(), (e) => e.status_code === 401);
  console.log('ok ollama-node');
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
