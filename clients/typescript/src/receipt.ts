// Receipts and their checks: docs/spec/07-claim.md §8 and §9.
import { base64url, concat, equal, fromBase64url, hex, InputError, Reader } from "./bytes.js";
import { CANCELLED, cancelDigest, type Claim, claimDigest, claimID, type Domain, namedBy, readClaim, readRequest, type Request, requestDigest, signer } from "./claim.js";
import { decodeAutomaton, type Grammar } from "./grammar.js";
import { parseJson } from "./json.js";
import { countOf } from "./descriptor.js";
import { GRAPH, type Model, PRIVATE } from "./model.js";
import { extras, isOff, off, sameSettings, type Settings } from "./memory.js";
import { divide } from "./reasoning.js";
import { asked, divisions } from "./request.js";
import { evaluate, generate, idRoot, promptRoot, type Job } from "./run.js";
import { Unsupported } from "./template.js";
import { Tokenizer } from "./text.js";

export interface Receipt {
  domain: Domain;
  request: Request;
  claim: Claim;
  signature: Uint8Array;
  /** Of an answer that was cancelled: its user's; else empty. */
  cancel: Uint8Array;
  prompt: number[];
  stop: number[];
  output: number[];
  /** Of the prompt of a request that is not public, 32 bytes; else empty. */
  salt: Uint8Array;
  settings: Settings;
}

export function parseReceipt(text: string): Receipt {
  const r = new Reader(fromBase64url(text), "receipt");
  r.tag("elenchus/receipt/1");
  const domain = { chainId: r.u64(), arena: r.bytes(20) };
  const request = readRequest(r), claim = readClaim(r), signature = r.bytes(65), cancel = r.bytes(claim.finish === CANCELLED ? 65 : 0);
  const graph = request.promptCount === 0; // the elements of tensors: i32
  const list = (what: string): number[] => {
    const n = r.u32(1 << 20, `number of ${what} ids`);
    if (4 * n > r.left) r.fail(`${n} ${what} ids, ${r.left} bytes are left`);
    return Array.from({ length: n }, () => (graph ? r.u32() | 0 : r.u32(0x7fffffff, `${what} id`)));
  };
  const prompt = list("prompt"), stop = list("stop"), output = list("output");
  const salt = r.bytes(salted(request) ? 32 : 0);
  const settings = request.extras.some((x) => x !== 0) ? readSettings(r) : off;
  r.end();
  return { domain, request, claim, signature, cancel, prompt, stop, output, salt, settings };
}

/** Whether the ids of a request's prompt are salted: those of all classes but public, of token models. SPEC 07 §2. */
function salted(q: Request): boolean {
  return q.dataClass !== 0 && q.promptCount > 0;
}

/** The root of a grammar's table and, unless it is 0, the automaton. */
function readGrammar(r: Reader): Grammar | undefined {
  const root = r.bytes(32);
  if (root.every((x) => x === 0)) return undefined;
  const source = r.bytes(r.u32(2 ** 17, "bytes of an automaton"));
  decodeAutomaton(source);
  return { root, source };
}

/** Stands where a count of biased tokens would where lists are named and not there. SPEC 07 §8. */
const missingMark = 0xffff;

/** Most bytes of lists. SPEC 07 §2.1. */
const mostListBytes = 139_563;

/** What the settings have of lists that are not there. */
function readMissing(r: Reader): Settings["missing"] {
  const stopLengths = r.u32(), lists = r.bytes(132);
  if (lists.every((x) => x === 0)) r.fail("it names no lists");
  const bytes = new DataView(lists.buffer, lists.byteOffset + 128, 4).getUint32(0);
  if (bytes > mostListBytes) r.fail(`it names lists of ${bytes} bytes, at most ${mostListBytes} can be`);
  return { stopLengths, lists };
}

/** Settings as receipts have them. SPEC 07 §8, 05 §4.8. */
function readSettings(r: Reader): Settings {
  const topK = r.u32(), topP = r.u32(2 ** 30 - 1, "topP"), minP = r.u32(2 ** 30, "minP"), repetition = r.u32(2 ** 20, "repetition");
  const presence = r.i32(), frequency = r.i32(), bias: Settings["bias"] = [];
  const biased = r.u16();
  if (biased === missingMark) return inRange(r, { ...off, topK, topP, minP, repetition, presence, frequency, missing: readMissing(r) });
  for (let n = biased; n > 0; n--) bias.push([r.u32(2 ** 20 - 1, "biased id"), r.i32()]);
  const strings = Array.from({ length: r.u8() }, () => r.bytes(r.u8()));
  const grammar = readGrammar(r);
  return inRange(r, { topK, topP, minP, repetition, presence, frequency, bias, strings, ...(grammar === undefined ? {} : { grammar }) });
}

function inRange(r: Reader, s: Settings): Settings {
  const { repetition, presence, frequency, bias, strings } = s;
  const most = 2 ** 20, ascends = bias.every(([id, v], i) => v !== 0 && Math.abs(v) <= 2 ** 24 && (i === 0 || id > bias[i - 1][0]));
  const apart = strings.every((x, i) => x.length > 0 && x.length <= 64 && !strings.slice(0, i).some((y) => equal(x, y)));
  if (strings.length > 4 || !apart) r.fail("stop strings that are none");
  if (isOff(s) || repetition === 65536 || Math.abs(presence) > most || Math.abs(frequency) > most || bias.length > 1024 || !ascends) r.fail("settings that are no settings");
  return s;
}

export type Outcome = "holds" | "false" | "pending" | "cannot" | "unasked";

export interface Statement { name: string; outcome: Outcome; detail: string }

export interface Report {
  outcome: Outcome;
  claimId: string;
  /** Who is shown request and answer (SPEC 07 §10): public, parties or sealed. */
  disclosure: string;
  node: string;
  model: string;
  /** What nobody can hold the node to, whatever holds; "" where there is no such thing. SPEC 10 §8.6. */
  notGiven: string;
  statements: Statement[];
}

const privateLimits = "the model is private: no game can refute this claim by an element, and only who has weights and secret can compute it again";

export interface VerifyOptions {
  /** The model that should have answered. */
  model?: Model;
  /** JSON body that the user sent. */
  request?: string;
  /** Text that came back, without the reasoning that came apart from it. */
  text?: string;
  /** Reasoning that came back apart from the text. */
  reasoning?: string;
}

function check(name: string, f: () => string): Statement {
  try {
    const why = f();
    return { name, outcome: why === "" ? "holds" : "false", detail: why };
  } catch (e) {
    if (e instanceof Unsupported) return { name, outcome: "cannot", detail: `${e.message} are not implemented here` };
    return { name, outcome: "false", detail: e instanceof Error ? e.message : String(e) };
  }
}

/** Who signed: the node, and of a cancelled answer its user. SPEC 07 §9.1. */
function signatures(r: Receipt): string {
  const { claim: c, request: q, domain: d } = r;
  if (!equal(signer(claimDigest(c, d), r.signature), c.node)) return "another key signed the claim";
  const ended = c.finish !== CANCELLED || equal(signer(cancelDigest(requestDigest(q, d), c.count, d), r.cancel), q.user);
  return ended ? "" : `cancelled after ${c.count} ids, and another key than the user's signed that`;
}

function ids(r: Receipt): string {
  const { request: q, claim: c } = r;
  if (!equal(namedBy(c, q, r.domain, r.cancel), c.requestDigest)) return "the claim is about another request";
  if (q.promptCount === 0) return tensors(r);
  if (c.version !== 1 || c.count < 1 || c.finish === 0 || c.finish > 6) return `claim of version ${c.version}, ${c.count} ids and finish ${c.finish}`;
  if (salted(q) && r.salt.every((x) => x === 0)) return "a request that is not public has no salt";
  if (q.promptCount !== r.prompt.length || !equal(q.promptRoot, promptRoot(r.prompt, r.salt))) return "other prompt ids than the request signs";
  const stopRoot = r.stop.length === 0 ? new Uint8Array(32) : idRoot(r.stop);
  if (q.stopCount !== r.stop.length || !equal(q.stopRoot, stopRoot)) return "other stop ids than the request signs";
  if (c.count !== r.output.length || !equal(c.outputRoot, idRoot(r.output))) return "other output ids than the claim signs";
  if (!equal(q.extras, extras(r.settings))) return "other settings than the request signs";
  listed(r);
  return "";
}

/** What depends on lists cannot be said of a receipt that names them alone. */
function listed(r: Receipt): void {
  if (r.settings.missing !== undefined) throw new Unsupported("receipts without their lists");
}

/** The tensors of a claim about a graph model. SPEC 07 §3, §8. */
function tensors(r: Receipt): string {
  const { request: q, claim: c } = r;
  if (c.version !== 1 || c.count !== 0 || c.finish !== 0) return `claim of version ${c.version} about a tensor, with count ${c.count} and finish ${c.finish}`;
  if (r.stop.length > 0 || !q.extras.every((x) => x === 0)) return "a request for a tensor with stop ids or settings";
  if (r.prompt.length === 0 && r.output.length === 0) throw new Unsupported("receipts without their tensors");
  if (!equal(q.promptRoot, idRoot(r.prompt))) return "another input than the request signs";
  return equal(c.outputRoot, idRoot(r.output)) ? "" : "another output than the claim signs";
}

function evaluated(r: Receipt, m: Model): string {
  const first = m.stages[0][0].d;
  if (first.type !== 3 || countOf(first, 0) !== r.prompt.length) return "the input is none of the model's";
  const a = evaluate(m, Int32Array.from(r.prompt));
  if (!equal(a.outputRoot, r.claim.outputRoot)) return "the model's output is another one";
  return equal(a.stateRoot, r.claim.stateRoot) ? "" : "the output is right, but the stages have another root than the claim says";
}

function execution(r: Receipt, m: Model): string {
  if (m.header.kind === GRAPH) return evaluated(r, m);
  listed(r);
  const q = r.request;
  const job: Job = { prompt: r.prompt, stop: r.stop, maxNew: q.maxNew, temperature: q.temperature, seed: q.seed, settings: r.settings, ...(r.claim.finish === CANCELLED ? { cut: r.claim.count } : {}) };
  const a = generate(m, job), i = a.output.findIndex((id, k) => id !== r.output[k]);
  if (i >= 0 || a.output.length !== r.output.length) return `the model's output differs at id ${i < 0 ? a.output.length : i}`;
  if (a.finish !== r.claim.finish) return `the model finishes with ${a.finish}, the claim says ${r.claim.finish}`;
  return equal(a.stateRoot, r.claim.stateRoot) ? "" : "the model's states have another root than the claim says";
}

/** What the user asked for against what was signed. SPEC 07 §9.2. */
function requested(r: Receipt, m: Model, body: string): string {
  listed(r);
  const a = asked(parseJson(body), m), q = r.request;
  const same = (x: number[], y: number[]): boolean => x.length === y.length && x.every((v, i) => v === y[i]);
  if (!same(a.prompt, r.prompt)) return "the prompt ids are not those of your request";
  if (!same(m.endIDs, r.stop)) return "the stop ids are not the model's";
  if (a.temperature !== BigInt(q.temperature)) return `temperature ${q.temperature}/65536, you asked for ${a.temperature}/65536`;
  if (a.maxNew !== BigInt(q.maxNew)) return `at most ${q.maxNew} ids, you asked for ${a.maxNew}`;
  if (a.seed !== undefined && a.seed !== q.seed) return `seed ${q.seed}, you asked for ${a.seed}`;
  return sameSettings(a.settings, r.settings) ? "" : "other settings of the sampler than you asked for";
}

/** What came back against the text of the output ids, reasoning apart; who left may have read less. SPEC 04 §4.2.9, 07 §9.2. */
function answered(r: Receipt, m: Model, o: VerifyOptions): string {
  listed(r);
  const tokenizer = new Tokenizer(m.tokenizer), strings = r.claim.finish === 2 ? r.settings.strings : [];
  const same = (want: string, got: string | undefined): boolean => got === undefined || got === want || (r.claim.finish === CANCELLED && want.startsWith(got));
  let why = "";
  for (const t of divisions(m, o.request === undefined ? undefined : parseJson(o.request))) {
    const words = t === undefined ? [] : [t.begin, t.end, t.bare];
    const { reasoning, said } = divide(t, tokenizer.decode(r.output, r.prompt.length <= 1, r.stop, strings, words));
    if (same(reasoning, o.reasoning) && same(said, o.text)) return "";
    why ||= same(said, o.text) ? `the ids reason ${JSON.stringify(reasoning.slice(0, 60))}` : `the ids say ${JSON.stringify(said.slice(0, 60))}`;
  }
  return why;
}

/** Checks a receipt offline; chains are asked by the command of the Go implementation. */
export function verifyReceipt(text: string, o: VerifyOptions = {}): Report {
  const r = parseReceipt(text.trim());
  if (base64url(fromBase64url(text.trim())) !== text.trim()) throw new InputError("receipt: another text than its canonical one");
  const statements = [
    check("signature", () => signatures(r)),
    check("ids", () => ids(r)),
  ];
  const unasked = (name: string): Statement => ({ name, outcome: "unasked", detail: "" });
  const m = o.model;
  if (m === undefined) {
    statements.push(...["model", "request", "text", "execution"].map(unasked));
  } else {
    const named = check("model", () => (hex(r.request.model) === m.id ? "" : `the request is about model ${hex(r.request.model)}`));
    const about = (name: string, f: () => string): Statement => (named.outcome === "holds" ? check(name, f) : { name, outcome: "cannot", detail: "it is another model" });
    statements.push(named);
    const texts = (): void => {
      if (m.header.kind === GRAPH) throw new Unsupported("texts of vectors");
    };
    statements.push(o.request === undefined ? unasked("request") : about("request", () => {
      texts();
      return requested(r, m, o.request!);
    }));
    statements.push(o.text === undefined && o.reasoning === undefined ? unasked("text") : about("text", () => {
      texts();
      return answered(r, m, o);
    }));
    statements.push(about("execution", () => execution(r, m)));
  }
  const has = (x: Outcome): boolean => statements.some((s) => s.outcome === x);
  const outcome: Outcome = has("false") ? "false" : has("cannot") ? "cannot" : "holds";
  const disclosure = ["public", "parties", "sealed"][r.request.dataClass] ?? String(r.request.dataClass);
  return { outcome, claimId: hex(claimID(r.claim, r.domain)), disclosure, node: `0x${hex(r.claim.node)}`, model: hex(r.request.model), notGiven: m?.header.class === PRIVATE ? privateLimits : "", statements };
}

export { concat };
