// Receipts and model files that somebody spoilt: they are refused by an InputError that names what is wrong, before anything large
// is made, and whatever passes does not read beyond what is there.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { base64url, concat, fromHex, InputError } from "../src/bytes.js";
import { decodeDescriptor, type Descriptor } from "../src/descriptor.js";
import { off } from "../src/memory.js";
import { decodeHeader, openModel, programOf } from "../src/model.js";
import { parseReceipt } from "../src/receipt.js";
import { evaluate, generate } from "../src/run.js";
import { depth } from "../src/trees.js";
import { type Program, validate } from "../src/validate.js";

const vectors = new URL("../../../../testvectors/", import.meta.url);
const file = new Uint8Array(readFileSync(new URL("models/tiny.elm", vectors)));
const job = { prompt: [3, 1, 4], stop: [], maxNew: 3, temperature: 65536, seed: 7n, settings: off };

/** Runs f, which may only give a value or throw an InputError. */
function tame(f: () => unknown, what: string): boolean {
  try {
    f();
    return true;
  } catch (e) {
    assert.ok(e instanceof InputError, `${what}: ${e instanceof Error ? e.stack : e}`);
    return false;
  }
}

/** A receipt of the claim vectors with three lists. */
function receiptBytes(): Uint8Array {
  const v = JSON.parse(readFileSync(new URL("claim/digests.json", vectors), "utf8"))[0];
  const domain = new Uint8Array(8);
  new DataView(domain.buffer).setBigUint64(0, BigInt(v.chainId));
  const request = fromHex(v.request);
  request.fill(0, 16 + 32 + 32 + 4 + 4 + 4 + 8 + 32 + 1, 16 + 32 + 32 + 4 + 4 + 4 + 8 + 32 + 1 + 32); // no settings
  return concat(new TextEncoder().encode("elenchus/receipt/1"), domain, fromHex(v.arena), request, fromHex(v.claim), fromHex(v.signature), new Uint8Array([0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8]));
}

test("receipts that end early, go on, or count what is not there", () => {
  const b = receiptBytes();
  assert.deepEqual(parseReceipt(base64url(b)).output, [8]);
  for (let n = 0; n < b.length; n++) assert.equal(tame(() => parseReceipt(base64url(b.subarray(0, n))), `${n} bytes`), false);
  assert.equal(tame(() => parseReceipt(base64url(concat(b, new Uint8Array(1)))), "a byte more"), false);
  for (const at of [b.length - 20, b.length - 12, b.length - 8]) {
    const bad = b.slice();
    bad.fill(255, at, at + 4);
    assert.throws(() => parseReceipt(base64url(bad)), /number of (prompt|stop|output) ids/);
    bad.set([0, 15, 255, 255], at);
    assert.throws(() => parseReceipt(base64url(bad)), /bytes are left/);
  }
  for (let i = 0; i < b.length; i++) {
    const bad = b.slice();
    bad[i] ^= 1 << (i % 8);
    tame(() => parseReceipt(base64url(bad)), `byte ${i}`);
  }
  for (const text of ["", "=", "A", "AA==", "a b", "\u0000", "Z".repeat(1 << 16)]) assert.equal(tame(() => parseReceipt(text), JSON.stringify(text.slice(0, 9))), false);
});

test("the tiny model opens, passes its invariants and answers", () => {
  const a = generate(openModel(file), job);
  assert.ok(a.output.length >= 1 && a.output.every((id) => id < 20));
});

test("model files that end early or were changed", () => {
  for (let n = 0; n < file.length; n += n < 400 ? 1 : 37) assert.equal(tame(() => openModel(file.subarray(0, n)), `${n} bytes`), false);
  assert.equal(tame(() => openModel(concat(file, new Uint8Array(1))), "a byte more"), false);
  for (let i = 0; i < file.length; i += i < 400 ? 1 : 29) {
    const bad = file.slice();
    bad[i] ^= 1 << (i % 8);
    tame(() => openModel(bad), `byte ${i}`);
  }
});

test("a tensor that is larger than its file", () => {
  const at = 20 + 4 + 4 + 224, texts = new DataView(file.buffer, file.byteOffset); // behind tag, name and header
  const tokenizer = texts.getUint32(at), template = texts.getUint32(at + 4 + tokenizer), ends = at + 8 + tokenizer + template;
  const dims = ends + 4 + 4 * texts.getUint32(ends) + 4 + 1;
  for (const size of [[255, 255, 255, 255], [0, 1, 0, 0], [0, 0, 0, 0]]) {
    const bad = file.slice();
    for (let i = 0; i < 3; i++) bad.set(size, dims + 4 * i);
    assert.throws(() => openModel(bad), /a tensor of .* are left/);
  }
});

test("headers that are none", () => {
  const at = 20 + 4 + 4, header = file.slice(at, at + 224);
  decodeHeader(header);
  for (const [offset, value] of [[17, 2], [19, 3], [20, 255], [24, 255], [28, 255], [30, 9], [31, 9], [32, 17], [33, 3], [34, 1], [200, 1]]) {
    const bad = header.slice();
    bad[offset] = value;
    assert.equal(tame(() => decodeHeader(bad), `byte ${offset}`), false);
  }
});

/** A copy of the tiny model's program that may be spoilt. */
const program = (): Program => structuredClone(programOf(openModel(file)));
const layer = 1, absorb = 3;
const find = (ds: Descriptor[], op: number): Descriptor => ds.find((d) => d.op === op)!;

const spoils: [string, string, (p: Program) => void][] = [
  ["G1", "a stage too few", (p) => p.stages.pop()],
  ["G1", "another number of tensors", (p) => (p.stages[layer][0].p[0] += 1n)],
  ["G1", "too many tensors", (p) => p.stages[layer].push(...Array(128).fill(p.stages[layer][1]))],
  ["G2", "a dim of 0", (p) => (p.stages[layer][1].dims[2].c = 0)],
  ["G2", "a dim of 2^31", (p) => (p.stages[layer][1].dims[2].c = 2 ** 31)],
  ["G2", "a source of kind 11", (p) => (p.stages[layer][1].src[0].kind = 11)],
  ["G3", "an input in the middle", (p) => (p.stages[layer][2].op = 0)],
  ["G3", "an operation that does not exist", (p) => (p.stages[layer][2].op = 255)],
  ["G6", "a source that is not made before", (p) => (p.stages[layer][3].src[0] = { kind: 1, index: 3 })],
  ["G14", "no K row", (p) => (p.stages[layer][0].p[1] = 0n)],
  ["G14", "one tensor as both rows", (p) => (p.stages[layer][0].p[1] = p.stages[layer][0].p[2])],
  ["G14", "another layer's rows", (p) => (find(p.stages[layer], 18).p[4] = 7n)],
  ["G16", "an input with a parameter", (p) => (p.stages[absorb][0].p[5] = 1n)],
];

for (const [id, name, spoil] of spoils) {
  test(`invariant ${id}: ${name}`, () => {
    const p = program();
    validate(p);
    spoil(p);
    // K and V rows have leaves of their own: moving them breaks G13, which stands before G14.
    assert.throws(() => validate(p), (e: Error) => e instanceof InputError && new RegExp(`model: (${id}|${id === "G14" ? "G13" : id}):`).test(e.message));
  });
}

/** Programs as the vectors have them. */
interface Verdict { program: string; changes: { stage: number; tensor: number; descriptor: string }[]; outcome: string }

test("invariants of programs, each alone and after changes drawn at random", () => {
  const { programs, cases } = JSON.parse(readFileSync(new URL("programs/invariants.json", vectors), "utf8"));
  const other: string[] = [];
  for (const [at, c] of (cases as Verdict[]).entries()) {
    const b = programs[c.program];
    const stages: Descriptor[][] = b.stages.map((ds: string[]) => ds.map((d) => decodeDescriptor(fromHex(d))));
    for (const x of c.changes) stages[x.stage][x.tensor] = decodeDescriptor(fromHex(x.descriptor));
    const p = { token: b.token, vocab: b.vocab, tMax: b.tMax, layers: b.layers, dLayer: depth(b.layers), dRow: depth(Math.ceil((2 * b.dkv) / 512)), stages };
    let got = "valid";
    try {
      validate(p);
    } catch (e) {
      assert.ok(e instanceof InputError, `case ${at}: ${e instanceof Error ? e.stack : e}`);
      got = /model: (G\d+):/.exec(e.message)?.[1] ?? e.message;
    }
    if (got !== c.outcome) other.push(`case ${at} of ${c.program}: ${got}, want ${c.outcome}`);
  }
  assert.deepEqual(other, []);
});

test("G9: tensors that are valid and more than is held here", () => {
  const n = 2 ** 24, none = { kind: 0, index: 0 };
  const d = (op: number, p: bigint[], kind: number): Descriptor => ({
    op, type: 3, leaf: 64, window: 0, dims: [{ c: 1, k: 0 }, { c: 1, k: 0 }, { c: n, k: 0 }], src: [{ kind, index: 0 }, none, none, none],
    p: [...p, ...Array<bigint>(11 - p.length).fill(0n)], rootA: new Uint8Array(32), rootB: new Uint8Array(32), bytes: new Uint8Array(192),
  });
  const p = (tensors: number): Program => ({ token: false, vocab: 0, tMax: 1, layers: 1, dLayer: 0, dRow: 0,
    stages: [[d(0, [BigInt(tensors + 1)], 0), ...Array<Descriptor>(tensors).fill(d(13, [BigInt(n)], 1))]] });
  validate(p(3));
  assert.throws(() => validate(p(4)), /model: G9: .* more than this implementation holds/);
});

test("parameters of any size read nothing that is not there", () => {
  const whole = openModel(file);
  for (let s = 0; s < 4; s++) {
    for (let i = 1; i < whole.stages[s].length; i++) {
      for (let k = 0; k < 11; k++) {
        for (const v of [-1n, 2n ** 20n, 2n ** 62n]) {
          const m = { ...whole, stages: whole.stages.map((ops) => [...ops]) };
          m.stages[s][i] = { ...m.stages[s][i], d: { ...m.stages[s][i].d, p: m.stages[s][i].d.p.map((x, at) => (at === k ? v : x)) } };
          tame(() => generate(m, { ...job, maxNew: 1 }), `stage ${s} tensor ${i} p${k} = ${v}`);
        }
      }
    }
  }
});

test("a token model is no graph model", () => {
  assert.throws(() => evaluate(openModel(file), Int32Array.of(1)), /answers text/);
});
