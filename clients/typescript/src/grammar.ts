// Grammars: docs/spec/02-opset.md §4.11, 05-decode.md §7.
import { InputError, Reader } from "./bytes.js";
import { toBytes } from "./descriptor.js";
import type { Model } from "./model.js";
import { leafHash, nodeHash } from "./trees.js";

/** What an answer keeps to: the automaton as receipts have it, and the root of its token table. */
export interface Grammar { root: Uint8Array; source: Uint8Array }

export const tableElements = 2 ** 22;

interface State { accept: boolean; next: Int16Array; pieces: Map<number, number> } // by byte, -1 refused; by id

/** Reads an automaton. SPEC 05 §7.2. */
export function decodeAutomaton(b: Uint8Array): State[] {
  const r = new Reader(b, "automaton");
  if (b.length > 2 ** 17) r.fail(`${b.length} bytes`);
  const n = r.u16();
  if (n < 1 || n > 2 ** 13) r.fail(`${n} states`);
  const states = Array.from({ length: n }, () => {
    const flags = r.u8(), next = new Int16Array(256).fill(-1);
    if (flags > 3) r.fail("a state with flags that there are not");
    let above = -1, before = -1;
    for (let left = r.u8(); left > 0; left--) {
      const lo = r.u8(), hi = r.u8(), to = r.u16();
      if (lo > hi || lo <= above || to >= n || (lo === above + 1 && above >= 0 && to === before)) r.fail("edges out of order");
      next.fill(to, lo, hi + 1);
      [above, before] = [hi, to];
    }
    return { accept: (flags & 1) === 1, next, pieces: (flags & 2) === 0 ? new Map<number, number>() : edgesByIds(r, n) };
  });
  r.end();
  return states;
}

/** The edges of a state that are tokens without bytes, at least one. */
function edgesByIds(r: Reader, n: number): Map<number, number> {
  const pieces = new Map<number, number>();
  let above = -1;
  for (let left = r.u8() || r.fail("edges by ids that are none"); left > 0; left--) {
    const id = r.u32(), to = r.u16();
    if (id <= above || id >= 2 ** 31 || to >= n) r.fail("edges by ids out of order");
    pieces.set(id, to);
    above = id;
  }
  return pieces;
}

/** What each token adds to a text, as the model's tensors for stop strings have it. SPEC 04 §1.6. */
function tokenBytes(m: Model): Uint8Array[] {
  const op = m.stages[m.header.layers + 1].find((o) => o.d.op === 34);
  if (op?.a === undefined || op.b === undefined) throw new InputError("the model knows no grammars");
  const bytes = toBytes(op.a.data), places = op.b.data;
  return Array.from({ length: m.header.vocab }, (_, id) => {
    const lo = Number(places[2 * id]);
    return bytes.subarray(lo, lo + Number(places[2 * id + 1]));
  });
}

class Binding {
  private readonly ends: Set<number>;
  private readonly words: number[];
  constructor(private readonly states: State[], private readonly tokens: Uint8Array[], stop: number[]) {
    this.ends = new Set(stop.filter((id) => id < tokens.length));
    const pieces = new Set(states.flatMap((s) => [...s.pieces.keys()]));
    for (const id of pieces) {
      if (id >= tokens.length || tokens[id].length > 0 || this.ends.has(id)) throw new InputError(`the grammar has an edge by id ${id}, which is no token without bytes that ends no answer`);
    }
    this.words = tokens.flatMap((b, id) => ((b.length > 0 && b.length < 128 && !this.ends.has(id)) || pieces.has(id) ? [id] : []));
  }
  /** The state after a token that is no end, -1 if it is refused. */
  private after(s: number, id: number): number {
    if (this.tokens[id].length === 0) return this.states[s].pieces.get(id) ?? -1;
    for (const b of this.tokens[id]) if ((s = this.states[s].next[b]) < 0) break;
    return s;
  }
  /** States that tokens reach and from which tokens reach an end. */
  private live(): Set<number> {
    const before = new Map<number, Set<number>>(), queue = [0], reached = new Set(queue);
    for (let s; (s = queue.pop()) !== undefined;) {
      for (const id of this.words) {
        const to = this.after(s, id);
        if (to < 0) continue;
        before.set(to, (before.get(to) ?? new Set()).add(s));
        if (!reached.has(to)) reached.add(to), queue.push(to);
      }
    }
    const live = new Set([...reached].filter((s) => this.states[s].accept && this.ends.size > 0)), more = [...live];
    for (let s; (s = more.pop()) !== undefined;) {
      for (const from of before.get(s) ?? []) if (!live.has(from)) live.add(from), more.push(from);
    }
    if (!live.has(0)) throw new InputError("no answer that the grammar allows can be written with the tokens of the model");
    return live;
  }
  table(): Int32Array {
    const live = this.live(), rows = [...live].sort((a, b) => a - b), row = new Map(rows.map((s, i) => [s, i]));
    const column = new Int32Array(this.tokens.length);
    let names = 1;
    for (const s of rows) {
      const parts = new Map<string, number>();
      for (const id of this.words) {
        const to = this.after(s, id), key = `${column[id]} ${to}`;
        if (to < 0 || !live.has(to)) continue;
        const part = parts.get(key) ?? names++;
        parts.set(key, part);
        column[id] = part;
      }
    }
    for (const id of this.ends) column[id] = names;
    const number = new Map<number, number>(), first: number[] = [];
    column.forEach((c, id) => {
      if (!number.has(c)) number.set(c, number.size), first.push(id);
    });
    const n = column.length + rows.length * first.length;
    if (n > tableElements) throw new InputError(`the grammar's table has ${n} elements, at most ${tableElements}`);
    const table = new Int32Array(n);
    column.forEach((c, id) => (table[id] = number.get(c) as number));
    let at = column.length;
    for (const s of rows) for (const id of first) table[at++] = this.entry(s, id, row, first.length);
    return table;
  }
  private entry(s: number, id: number, row: Map<number, number>, classes: number): number {
    const end = this.ends.has(id), word = this.tokens[id].length < 128;
    if (end ? !this.states[s].accept : !word) return 0;
    const to = row.get(end ? s : this.after(s, id));
    return to === undefined ? 0 : to * classes + 1;
  }
}

/** The token table of a grammar over the vocabulary of a model. */
export const bind = (g: Grammar, m: Model, stop: number[]): Int32Array => tableOf(g.source, tokenBytes(m), stop);

/** The table of an automaton over tokens by what they add to a text. SPEC 05 §7.3. */
export const tableOf = (source: Uint8Array, tokens: Uint8Array[], stop: number[]): Int32Array => new Binding(decodeAutomaton(source), tokens, stop).table();

/** Root of the tree over a token table: 2^18 leaves of 64 bytes. SPEC 06 §3.7. */
export function tableRoot(table: Int32Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(table.length / 16) * 64), view = new DataView(bytes.buffer);
  table.forEach((x, i) => view.setInt32(4 * i, x, true));
  let level = Array.from({ length: bytes.length / 64 }, (_, i) => leafHash(bytes.subarray(64 * i, 64 * i + 64)));
  let empty = leafHash(new Uint8Array(64));
  for (let h = 0; h < 18; h++) {
    level = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) => nodeHash(level[2 * i], level[2 * i + 1] ?? empty));
    empty = nodeHash(empty, empty);
  }
  return level[0] ?? empty;
}
