// Every vector of the op set and of trees, as the contracts and the Go implementation read them.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import { fromHex, hex, InputError } from "../src/bytes.js";
import { decodeContext, decodeDescriptor, fromBytes, type DType, type Ints, sizeOf } from "../src/descriptor.js";
import { elements, knows } from "../src/elements.js";
import { tableOf } from "../src/grammar.js";
import { blindedLeaf, poseidonLeaf } from "../src/poseidon.js";
import { leafHash, opens, zero } from "../src/trees.js";

const vectors = new URL("../../../../testvectors/", import.meta.url);
const load = (path: string): any => JSON.parse(readFileSync(new URL(path, vectors), "utf8"));

interface Read { kind: number; index: number; total: number; leaf: number; lo: number; hi: number }

/** Hands out the data of a vector, and wants each read to be the one that it names. */
class Replay {
  next = 0;
  constructor(private readonly reads: Read[], private readonly data: string[]) {}
  read(kind: number, index: number, type: DType, first: number, n: number): Ints {
    const r = this.reads[this.next], b = fromHex(this.data[this.next] ?? "");
    this.next++;
    const lo = first * sizeOf(type), hi = lo + n * sizeOf(type);
    assert.deepEqual({ kind, index, lo, hi }, { kind: r?.kind, index: r?.index, lo: r?.lo, hi: r?.hi }, `read ${this.next}`);
    const at = Math.floor(lo / r.leaf) * r.leaf;
    return fromBytes(type, b.subarray(lo - at, hi - at));
  }
}

for (const file of readdirSync(new URL("ops/", vectors)).sort()) {
  test(`op ${file}`, () => {
    let run = 0;
    for (const v of load(`ops/${file}`)) {
      const d = decodeDescriptor(fromHex(v.descriptor)), c = decodeContext(fromHex(v.context));
      assert.ok(knows(d.op), `operation ${d.op} is unknown`);
      const data = new Replay(v.reads, v.data);
      assert.equal(String(elements(d, c, data)(v.index)), v.value, v.name);
      assert.equal(data.next, v.reads.length, `${v.name}: reads`);
      run++;
    }
    assert.ok(run > 0);
  });
}

test("openings of trees", () => {
  for (const v of load("trees/openings.json")) {
    const data = fromHex(v.data), nodes: Uint8Array[] = [];
    let whole = true;
    if (v.leafBytes === 0) for (let i = 0; i < data.length; i += 32) nodes.push(data.subarray(i, i + 32));
    else for (let i = 0; i < data.length; i += v.leafBytes) {
      whole &&= i + v.leafBytes <= data.length;
      nodes.push(leafHash(data.subarray(i, i + v.leafBytes)));
    }
    const fits = v.depth >= 0 && v.depth < 64 && v.first + nodes.length <= 2 ** v.depth;
    const got = whole && fits && opens(fromHex(v.root), v.depth, v.first, nodes, v.siblings.map(fromHex));
    assert.equal(got, v.outcome === "opens", v.name);
  }
});

test("token tables of grammars", () => {
  for (const v of load("grammars/tables.json")) {
    const make = (): Int32Array => tableOf(fromHex(v.automaton), v.tokens.map(fromHex), v.ends);
    if (v.outcome !== "table") {
      assert.throws(make, InputError, v.name);
      continue;
    }
    const got = [...make()];
    while (got.length > v.table.length && got[got.length - 1] === 0) got.pop();
    assert.deepEqual(got, v.table, v.name);
  }
});

test("leaves of classes", () => {
  for (const v of load("trees/classes.json")) {
    const leaf = fromHex(v.bytes);
    const got = v.class === "private" ? blindedLeaf(fromHex(v.secret), v.tensor ?? 0, v.leaf ?? 0, leaf) : poseidonLeaf(leaf);
    assert.equal(hex(got), v.hash, `${v.class}, ${leaf.length} bytes`);
  }
});

test("zero subtrees", () => {
  assert.equal(hex(zero(0)), "00".repeat(32));
  assert.notEqual(hex(zero(1)), hex(zero(2)));
});
