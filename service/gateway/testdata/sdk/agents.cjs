// Runs an agent with a tool through the official Agents SDK, as the compatibility suite of gpt-oss does: both APIs, whole and
// streamed. Arguments: base URL, API key. The models "agent"
// and "thinker" of sdk_test.go call f until they see a result; the latter reasons first.
'use strict';
const assert = require('node:assert/strict');
const { Agent, Runner, tool, setTracingDisabled } = require('@openai/agents-core');
const { OpenAIChatCompletionsModel, OpenAIResponsesModel } = require('@openai/agents-openai');
const { OpenAI } = require(require.resolve('openai', { paths: [require.resolve('@openai/agents-openai')] }));

const [base, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0 });
setTracingDisabled(true);

async function run(api, model, stream, thinks) {
  const got = [];
  const f = tool({
    name: 'f', description: 'takes a number', strict: false,
    parameters: { type: 'object', properties: { x: { type: 'number' } }, required: ['x'], additionalProperties: true },
    execute: (input) => {
      got.push(input);
      return 'taken';
    },
  });
  const agent = new Agent({ name: 'f', instructions: 'use the tool', tools: [f] });
  const runner = new Runner({ model, modelSettings: { temperature: 0.8, providerData: { seed: 7 } } });
  const result = await runner.run(agent, 'call f with 1', { stream, maxTurns: 3 });
  const events = [];
  if (stream) {
    for await (const event of result) events.push(event);
    await result.completed;
  }
  const where = `${api}, ${stream ? 'streamed' : 'whole'}`;
  assert.deepEqual(got, [{ x: 1 }], where);
  assert.equal(result.finalOutput, 'done', where);
  const call = result.newItems.find((i) => i.type === 'tool_call_item');
  assert.deepEqual([call.rawItem.name, JSON.parse(call.rawItem.arguments)], ['f', { x: 1 }], where);
  assert.equal(result.rawResponses.length, 2, where);
  const raw = (item) => item.rawContent ?? item.providerData.content; // of chat, of responses
  const thoughts = result.newItems.filter((i) => i.type === 'reasoning_item').map((i) => raw(i.rawItem).map((p) => p.text).join(''));
  assert.deepEqual(thoughts, thinks ? ['let me see', 'let me see'] : [], where);
  if (stream) assert.ok(events.some((e) => e.type === 'raw_model_stream_event'), where);
}

(async () => {
  for (const stream of [false, true]) {
    await run('chat', new OpenAIChatCompletionsModel(client, 'agent'), stream);
    await run('responses', new OpenAIResponsesModel(client, 'agent'), stream);
    await run('chat', new OpenAIChatCompletionsModel(client, 'thinker'), stream, true);
    await run('responses', new OpenAIResponsesModel(client, 'thinker'), stream, true);
  }
  console.log('ok agents');
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
