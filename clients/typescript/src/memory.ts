// What states remember beside tokens and rows: docs/spec/06-trace.md §3.5 and §3.6.
import { be, concat, equal, keccak256, sha256, utf8 } from "./bytes.js";
import type { Grammar } from "./grammar.js";
import { leafHash, nodeHash, root } from "./trees.js";

/** Settings of the sampler; 0 is off. SPEC 05 §4.8. */
export interface Settings {
  topK: number;
  topP: number;
  minP: number;
  repetition: number;
  presence: number;
  frequency: number;
  bias: [id: number, value: number][];
  strings: Uint8Array[]; // that end the answer: up to 4 of 1 to 64 bytes
  grammar?: Grammar; // that the answer keeps to
  missing?: { stopLengths: number; lists: Uint8Array }; // bias, strings and grammar that a receipt names alone: roots and size
}

const none = new Uint8Array(32);

export const off: Settings = { topK: 0, topP: 0, minP: 0, repetition: 0, presence: 0, frequency: 0, bias: [], strings: [] };

const numbers = (s: Settings): number[] => [s.topK, s.topP, s.minP, s.repetition, s.presence, s.frequency];

export const isOff = (s: Settings): boolean => numbers(s).every((v) => v === 0) && s.bias.length === 0 && s.strings.length === 0 && s.grammar === undefined && s.missing === undefined;

export const sameSettings = (a: Settings, b: Settings): boolean =>
  numbers(a).every((v, i) => v === numbers(b)[i]) && a.bias.length === b.bias.length && a.bias.every(([id, v], i) => id === b.bias[i][0] && v === b.bias[i][1]) &&
  a.strings.length === b.strings.length && a.strings.every((x, i) => equal(x, b.strings[i])) &&
  (a.grammar === undefined) === (b.grammar === undefined) && equal(a.grammar?.source ?? none, b.grammar?.source ?? none);

/** Whether the draw looks at how often tokens have occurred. */
export const counts = (s: Settings): boolean => s.repetition !== 0 || s.presence !== 0 || s.frequency !== 0;

const tableDepth = 16;

/** The tree over 2^20 elements of which few are not 0. */
export class Table {
  private readonly leaves = new Map<number, Int32Array>();
  private readonly nodes = Array.from({ length: tableDepth + 1 }, () => new Map<number, Uint8Array>());
  private readonly empty: Uint8Array[];
  constructor() {
    this.empty = [leafHash(new Uint8Array(64))];
    for (let h = 0; h < tableDepth; h++) this.empty.push(nodeHash(this.empty[h], this.empty[h]));
  }
  at(i: number): number {
    return this.leaves.get(i >> 4)?.[i & 15] ?? 0;
  }
  set(i: number, v: number): void {
    let at = i >> 4, leaf = this.leaves.get(at);
    if (leaf === undefined) this.leaves.set(at, (leaf = new Int32Array(16)));
    leaf[i & 15] = v;
    const bytes = new Uint8Array(64), view = new DataView(bytes.buffer);
    leaf.forEach((x, k) => view.setInt32(4 * k, x, true));
    let n = leafHash(bytes);
    for (let h = 0; h < tableDepth; h++, at >>= 1) {
      this.nodes[h].set(at, n);
      n = at & 1 ? nodeHash(this.node(h, at - 1), n) : nodeHash(n, this.node(h, at + 1));
    }
    this.nodes[tableDepth].set(0, n);
  }
  private node(h: number, at: number): Uint8Array {
    return this.nodes[h].get(at) ?? this.empty[h];
  }
  root(): Uint8Array {
    return this.node(tableDepth, 0);
  }
}

export function biasTable(s: Settings): Table {
  const t = new Table();
  for (const [id, v] of s.bias) t.set(id, v);
  return t;
}

/** Lengths of the stop strings, the first in the lowest byte. */
export const stopLens = (s: Settings): number => s.strings.reduce((n, x, i) => n + x.length * 2 ** (8 * i), 0);

/** The four stop strings, each padded to 64 bytes. SPEC 02 §4.10. */
export function stopTable(s: Settings): Uint8Array {
  const out = new Uint8Array(256);
  s.strings.forEach((x, i) => out.set(x, 64 * i));
  return out;
}

/** AUX of a state: 0 if the request has nothing to remember. SPEC 06 §3.5. */
export function aux(s: Settings, table: Table | undefined, stopState: number, grammarState: number): Uint8Array {
  if (table === undefined && s.strings.length === 0 && s.grammar === undefined) return none;
  return sha256(new Uint8Array([3]), table?.root() ?? none, be(stopState >>> 0, 4), be(grammarState >>> 0, 32));
}

/** Bias, stop strings and grammar as receipts have them. SPEC 07 §2.1, §8. */
export function listBytes(s: Settings): Uint8Array {
  const bias = s.bias.map(([id, v]) => concat(be(id, 4), be(BigInt.asUintN(32, BigInt(v)), 4)));
  const strings = s.strings.map((x) => concat(new Uint8Array([x.length]), x));
  const grammar = s.grammar === undefined ? none : concat(s.grammar.root, be(s.grammar.source.length, 4), s.grammar.source);
  return concat(be(bias.length, 2), ...bias, new Uint8Array([strings.length]), ...strings, grammar);
}

/** What a request signs of its settings. SPEC 07 §2.1. */
export function extras(s: Settings): Uint8Array {
  if (isOff(s)) return none;
  const bias = s.bias.length === 0 ? none : biasTable(s).root(), strings = s.strings.length === 0 ? none : root(stopTable(s), 64);
  const grammar = s.grammar?.root ?? none;
  const data = listBytes(s), listsType = "Lists(bytes32 biasRoot,bytes32 stopRoot,bytes32 grammarRoot,bytes32 dataRoot,uint32 dataBytes)";
  const named = s.missing?.lists;
  const lists = named !== undefined ? keccak256(keccak256(utf8(listsType)), named.subarray(0, 128), be(0, 28), named.subarray(128))
    : s.bias.length + s.strings.length === 0 && s.grammar === undefined ? none
    : keccak256(keccak256(utf8(listsType)), bias, strings, grammar, root(data, 64), be(data.length, 32));
  const type = "Sampler(uint32 topK,uint32 topP,uint32 minP,uint32 repetition,int32 presence,int32 frequency,uint32 stopLengths,bytes32 lists)";
  return keccak256(keccak256(utf8(type)), ...numbers(s).map((v) => be(BigInt.asUintN(256, BigInt(v)), 32)), be(s.missing?.stopLengths ?? stopLens(s), 32), lists);
}
