// What a user asked for, from the JSON body: docs/spec/16-gateway.md §3.1, 07 §9.2.
import { InputError, utf8 } from "./bytes.js";
import { Decimal, type Json } from "./json.js";
import { type Settings } from "./memory.js";
import { type Model } from "./model.js";
import { allThoughts, EFFORTS, type Thoughts, thoughtsOf } from "./reasoning.js";
import { decodeTemplate } from "./template-read.js";
import { type Message, render, Unsupported } from "./template.js";
import { Tokenizer } from "./text.js";

export interface Asked {
  prompt: number[];
  temperature: bigint; // Q16
  maxNew: bigint;
  seed: bigint | undefined;
  settings: Settings;
}

const read = new Set(["model", "messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "seed", "top_k", "top_p", "min_p",
  "repetition_penalty", "presence_penalty", "frequency_penalty", "logit_bias", "stop", "reasoning_effort"]);
const neutral = new Set(["stream", "stream_options", "user", "metadata", "safety_identifier", "prompt_cache_key"]);

// Reasoning of earlier answers stands in the prompt before calls alone, which are not read here.
const members = new Set(["role", "content", "reasoning_content", "reasoning"]);

function effortOf(body: Map<string, Json>): number {
  const word = body.get("reasoning_effort");
  if (word === undefined || word === null) return 0;
  if (typeof word === "string" && Object.hasOwn(EFFORTS, word)) return EFFORTS[word];
  throw new InputError("reasoning_effort: want none, minimal, low, medium, high or xhigh");
}

function number(body: Map<string, Json>, name: string): Decimal | undefined {
  const v = body.get(name);
  if (v === undefined || v === null) return undefined;
  if (v instanceof Decimal) return v;
  throw new InputError(`${name}: want a number`);
}

/** A message whose content is a string, or parts of type text. */
function messageOf(message: Json): Message {
  if (!(message instanceof Map)) throw new InputError("messages: want objects");
  const role = message.get("role"), c = message.get("content");
  if (typeof role !== "string") throw new InputError("messages: want a role");
  for (const name of message.keys()) if (!members.has(name)) throw new Unsupported(`messages with ${name}`);
  return { role: role === "developer" ? "system" : role, content: contentOf(c) };
}

function contentOf(c: Json | undefined): string {
  if (typeof c === "string") return c;
  if (!Array.isArray(c)) throw new Unsupported("messages without a text");
  return c.map((p) => {
    const text = p instanceof Map && p.get("type") === "text" ? p.get("text") : undefined;
    if (typeof text !== "string") throw new Unsupported("parts of messages that are no text");
    return text;
  }).join("");
}

function promptOf(body: Map<string, Json>, m: Model): number[] {
  const messages = body.get("messages"), prompt = body.get("prompt");
  if (Array.isArray(messages)) return new Tokenizer(m.tokenizer).promptOf(render(m.template, messages.map(messageOf), effortOf(body)));
  if (typeof prompt === "string") return new Tokenizer(m.tokenizer).prompt(prompt);
  if (Array.isArray(prompt) && prompt.every((x) => x instanceof Decimal)) return prompt.map((x) => Number((x as Decimal).integer()));
  throw new Unsupported("requests with neither messages nor one prompt");
}

/** A fraction of 0..1 in Q30; what is above 0 does not become 0. SPEC 05 §4.8. */
function fraction(d: Decimal | undefined): bigint {
  if (d === undefined) return 0n;
  const v = d.fixed(30);
  return v === 0n && /[1-9]/.test(d.text.split(/[eE]/)[0]) ? 1n : v;
}

/** A number in Q16; what is not 0 does not become 0. */
function signed(d: Decimal | undefined): number {
  if (d === undefined) return 0;
  const v = Number(d.fixed(16));
  return v === 0 && /[1-9]/.test(d.text.split(/[eE]/)[0]) ? (d.text.startsWith("-") ? -1 : 1) : v;
}

function biasOf(body: Map<string, Json>): Settings["bias"] {
  const all = body.get("logit_bias");
  if (all === undefined || all === null) return [];
  if (!(all instanceof Map)) throw new InputError("logit_bias: want an object");
  const out = [...all].map(([id, v]): [number, number] => {
    if (!/^(0|[1-9][0-9]*)$/.test(id) || !(v instanceof Decimal)) throw new InputError("logit_bias: want numbers by token id");
    return [Number(id), signed(v)];
  });
  return out.filter(([, v]) => v !== 0).sort(([a], [b]) => a - b);
}

/** Stop strings; one that is named twice counts once. SPEC 16 §3.7. */
function stringsOf(body: Map<string, Json>): Uint8Array[] {
  const given = body.get("stop"), all = given === undefined || given === null ? [] : Array.isArray(given) ? given : [given];
  return [...new Set(all)].map((x) => {
    if (typeof x !== "string") throw new InputError("stop: want strings");
    return utf8(x);
  });
}

/** The fields of a request, all of which are known here. */
function fieldsOf(body: Json): Map<string, Json> {
  if (!(body instanceof Map)) throw new InputError("request: want a JSON object");
  for (const [name, v] of body) if (!read.has(name) && !neutral.has(name) && v !== null) throw new Unsupported(`requests with ${name}`);
  return body;
}

/**
 * How the answer to a request may tell reasoning apart, undefined where all of it is said. Without the request it is as
 * after one of the ends that the template's prompts have, with tools or without, or not at all. SPEC 07 §9.2, 16 §3.12.
 */
export function divisions(m: Model, body: Json | undefined): (Thoughts | undefined)[] {
  const t = decodeTemplate(m.template);
  if (body instanceof Map && Array.isArray(body.get("tools")) && (body.get("tools") as Json[]).length > 0) throw new Unsupported("requests with tools");
  if (t.marks === undefined) return [undefined];
  if (body === undefined) return [undefined, ...allThoughts(t)];
  const fields = fieldsOf(body);
  return [Array.isArray(fields.get("messages")) ? thoughtsOf(t, effortOf(fields)) : undefined];
}

export function asked(given: Json, m: Model): Asked {
  const body = fieldsOf(given);
  const most = BigInt(m.header.tMax), wanted = number(body, "max_completion_tokens") ?? number(body, "max_tokens");
  const maxNew = wanted === undefined || wanted.integer() > most ? most : wanted.integer();
  const repetition = signed(number(body, "repetition_penalty"));
  const topK = number(body, "top_k")?.integer() ?? 0n, topP = fraction(number(body, "top_p"));
  return {
    prompt: promptOf(body, m),
    temperature: number(body, "temperature")?.fixed(16) ?? 65536n,
    maxNew,
    seed: number(body, "seed") === undefined ? undefined : BigInt.asUintN(64, number(body, "seed")!.integer()),
    settings: {
      topK: topK < 0n ? 0 : Number(topK), topP: topP >= 1n << 30n ? 0 : Number(topP), minP: Number(fraction(number(body, "min_p"))),
      repetition: repetition === 65536 ? 0 : repetition, presence: signed(number(body, "presence_penalty")),
      frequency: signed(number(body, "frequency_penalty")), bias: biasOf(body), strings: stringsOf(body),
    },
  };
}
