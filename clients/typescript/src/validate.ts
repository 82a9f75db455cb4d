// Invariants of programs, docs/spec/03-graph.md §4, as far as a reader needs them: whatever a model file says, what it makes
// a reader compute has known stages, known types and bounded size.
import { InputError } from "./bytes.js";
import { type Descriptor, type Dim, dimOf, KIND, sizeOf } from "./descriptor.js";
import { knows } from "./elements.js";
import { depth } from "./trees.js";

/** The stages of a model and the limits of its header. */
export interface Program {
  token: boolean;
  vocab: number;
  tMax: number;
  layers: number;
  dLayer: number;
  dRow: number;
  stages: Descriptor[][];
}

/** Bounds of this implementation, beyond the spec's: bytes of a stage's tensors at the first and at the last position. */
const mostFixed = 2 ** 28, mostGrown = 2 ** 31;

const input = 0;

interface Stage { p: Program; n: number; ds: Descriptor[] }

const isLayer = (s: Stage): boolean => s.p.token && s.n >= 1 && s.n <= s.p.layers;
const isEmit = (s: Stage): boolean => s.p.token && s.n === s.p.layers + 1;
const isAbsorb = (s: Stage): boolean => s.p.token && s.n === s.p.layers + 2;
const grows = (d: Descriptor): number => d.dims.filter((x) => x.k !== 0).length;

/** A rule says what is wrong, or "". Rules are checked in order, each over all stages. */
type Rule = (s: Stage) => string;

/** The first fault of the operations of a stage. */
const each = (f: (d: Descriptor, i: number, s: Stage) => string): Rule => (s) => {
  for (const [i, d] of s.ds.entries()) {
    const why = f(d, i, s);
    if (why !== "") return `tensor ${i} (operation ${d.op}): ${why}`;
  }
  return "";
};

const canonical = (d: Descriptor): string => {
  if (d.dims.some((x) => x.c < 1 || x.c >= 2 ** 31 || x.k >= 2 ** 31)) return "a dim outside its range";
  if (d.src.some((x) => x.kind > KIND.grammar || (x.kind !== KIND.tensor && x.index !== 0))) return "a source of no kind";
  return "";
};

const size = (d: Descriptor, t: number): number => d.dims.reduce((n, x: Dim) => n * dimOf(x, t, d.window), 1);

const sizes: Rule = (s) => {
  const last = s.p.token ? s.p.tMax : 1;
  let fixed = 0, grown = 0;
  for (const [i, d] of s.ds.entries()) {
    if (size(d, last - 1) > 2 ** 32 || size(d, 0) > 2 ** 32) return `tensor ${i} has more than 2^32 elements`;
    if (grows(d) > 1 || (grows(d) === 1 && (!isLayer(s) || i === 0))) return `tensor ${i} grows where it may not`;
    if (d.window > last || (d.window !== 0 && d.dims[2].k === 0)) return `tensor ${i} has a window of ${d.window}`;
    fixed += size(d, 0) * sizeOf(d.type);
    grown += size(d, last - 1) * sizeOf(d.type);
  }
  return fixed > mostFixed || grown > mostGrown ? `tensors of ${fixed} to ${grown} bytes are more than this implementation holds` : "";
};

const plainDims = (d: Descriptor): boolean => d.dims[0].c === 1 && d.dims[1].c === 1 && grows(d) === 0;

const rows: Rule = (s) => {
  const { p } = s.ds[0];
  if (!isLayer(s)) return p[1] !== 0n || p[2] !== 0n ? "K and V rows outside of a layer" : "";
  const [k, v] = [Number(p[1]), Number(p[2])], n = s.ds.length;
  if (k < 1 || v < 1 || k >= n || v >= n || k === v) return `K and V rows are tensors ${k} and ${v} of ${n}`;
  const width = s.ds[k].dims[2].c;
  for (const d of [s.ds[k], s.ds[v]]) {
    if (d.type !== 2 || !plainDims(d) || d.dims[2].c !== width) return "a K or V row is no i16 row of the width";
  }
  if (depth(Math.ceil((2 * width) / 512)) !== s.p.dRow || width !== s.p.stages[1][Number(s.p.stages[1][0].p[1])]?.dims[2].c) return `rows of ${width} do not fit the header`;
  return cacheReads(s, width);
};

/** Score, transpose and mix read the rows of their own layer. SPEC 02 §4.2. */
function cacheReads(s: Stage, width: number): string {
  const depths = BigInt((s.p.dLayer << 8) | s.p.dRow);
  for (const [i, d] of s.ds.entries()) {
    if (d.op !== 18 && d.op !== 20) continue;
    if (d.p[4] !== BigInt(s.n - 1) || d.p[5] !== BigInt(width) || (d.p[7] & 0xffffn) !== depths) return `tensor ${i} reads other rows than its layer's`;
  }
  return "";
}

const emitOnly: number[] = [KIND.stop, KIND.count, KIND.bias, KIND.strings, KIND.grammar];

/** Which stages see which part of state and request. */
const state = each((d, _i, s) => {
  for (const { kind } of d.src) {
    if (kind === KIND.kv && !isLayer(s)) return "reads the KV tree outside of a layer";
    if (emitOnly.includes(kind) && !isEmit(s)) return "reads a part of the state that only EMIT has";
    if (kind === KIND.prompt && s.p.token && !isAbsorb(s)) return "reads the prompt outside of ABSORB";
  }
  return "";
});

const last = (ds: Descriptor[], back = 1): Descriptor => ds[ds.length - back];
const sameType = (a: Descriptor, b: Descriptor): boolean => a.type === b.type && a.dims.every((x, i) => x.c === b.dims[i].c && x.k === b.dims[i].k);

const interfaces: Rule = (s) => {
  const first = s.ds[0], { p, n } = s;
  if (first.src.some((x) => x.kind !== KIND.none) || first.rootA.some((x) => x !== 0) || first.rootB.some((x) => x !== 0) || first.p.slice(3).some((x) => x !== 0n)) {
    return "the input has sources, roots or parameters";
  }
  if (n === 0) return p.token && (first.type !== 3 || !plainDims(first) || first.dims[2].c !== 1) ? "the input of stage 0 is not one id" : "";
  const before = isAbsorb(s) ? p.layers : n - 1;
  return sameType(first, last(p.stages[before])) ? "" : `its input is not what stage ${before} gives`;
};

/** The ends of EMIT and ABSORB are made by their operations, one element each. */
const token: Rule = (s) => {
  const one = (back: number, op: number): boolean => last(s.ds, back).op === op && last(s.ds, back).type === 3 && size(last(s.ds, back), 0) === 1;
  if (isEmit(s)) return s.ds.length > 5 && one(4, 36) && one(3, 34) && one(2, 26) && one(1, 27) ? "" : "EMIT does not end in grammar_state, stop_state, token and stop";
  if (isAbsorb(s)) return one(1, 28) ? "" : "ABSORB does not end in prompt";
  return "";
};

const invariants: [string, Rule][] = [
  ["G1", (s) => (s.ds.length < 2 || s.ds.length > 128 || s.ds[0].p[0] !== BigInt(s.ds.length) ? `${s.ds.length} tensors, the input declares ${s.ds[0]?.p[0]}` : "")],
  ["G2", each(canonical)],
  ["G3", each((d, i) => ((d.op === input) === (i === 0) && (i === 0 || knows(d.op)) ? "" : "stands where it may not"))],
  ["G6", each((d, i) => (d.src.some((x) => x.kind === KIND.tensor && x.index >= i) ? "a source that is not made before" : ""))],
  ["G9", sizes],
  ["G13", each((d, i, s) => (d.leaf === (isLayer(s) && i > 0 && [s.ds[0].p[1], s.ds[0].p[2]].includes(BigInt(i)) ? 512 : 64) ? "" : `leaves of ${d.leaf} bytes`))],
  ["G14", rows],
  ["G15", state],
  ["G16", interfaces],
  ["G17", token],
];

/** Refuses programs that violate an invariant that is checked here; the first in the spec's order names the error. */
export function validate(p: Program): void {
  const want = p.layers + (p.token ? 3 : 0);
  if (p.stages.length !== want || p.layers < 1 || p.layers > 1024) throw new InputError(`model: G1: ${p.stages.length} stages for ${p.layers} layers`);
  for (const [name, rule] of invariants) {
    for (const [n, ds] of p.stages.entries()) {
      const why = rule({ p, n, ds });
      if (why !== "") throw new InputError(`model: ${name}: stage ${n}: ${why}`);
    }
  }
}
