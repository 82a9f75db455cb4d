// Which tensors of a stage belong together: G18 and G21 of docs/spec/03-graph.md §4.
import { type Descriptor, KIND } from "./descriptor.js";

const maxAbs = 2, sum = 4, sumSquares = 6, normInv = 7, normApply = 8, exp2 = 19, rank = 30, hist = 31, digit = 32, keep = 33;
const rowSquares = 95, rowInv = 96, rowNorm = 97;
const rounds = 8;

const single = (d: Descriptor | undefined): boolean => d !== undefined && d.dims.every((x) => x.c === 1 && x.k === 0);

/** The tensor that a full reduction ending in tensor i is over: levels of rest above one of base; -1 if there is none. */
export function chain(ds: Descriptor[], i: number, base: number, rest: number): number {
  if (!single(ds[i])) return -1;
  while (i > 0) {
    const d = ds[i], next = d.src[0].index;
    if (d.src[0].kind !== KIND.tensor || next >= i) return -1;
    if (d.op === base && (base !== rest || ds[next].op !== base)) return next;
    if (d.op !== rest) return -1;
    i = next;
  }
  return -1;
}

const same = (ds: Descriptor[], x: number, m: number): string =>
  x >= 0 && chain(ds, m, maxAbs, maxAbs) === x ? "" : `tensor ${m} is not the largest magnitude of tensor ${x}`;

/** The tensor whose rows of n tensor i adds the squares of. */
function squares(ds: Descriptor[], i: number): { x: number; n: bigint } | undefined {
  while (ds[i]?.op === sum && ds[i].src[0].index < i) i = ds[i].src[0].index;
  return ds[i]?.op === rowSquares ? { x: ds[i].src[0].index, n: ds[i].p[0] } : undefined;
}

/** The rule of norms for norms by rows. */
function byRows(ds: Descriptor[], d: Descriptor): string {
  let x = d.src[0].index, m = d.src[1].index, n = d.p[0];
  if (d.op === rowInv) {
    const over = squares(ds, x);
    if (over === undefined) return `tensor ${x} is no sum of squares`;
    ({ x, n } = over);
  }
  if (d.op === rowNorm) {
    if (ds[m]?.op !== rowInv) return `tensor ${m} is no inverse norm`;
    [m, n] = [ds[m].src[1].index, d.p[2]];
  }
  if (ds[m]?.dims[2].c !== 1 || ds[m].dims[2].k !== 0) return `tensor ${m} is not one number for each row`;
  let level = m;
  while (ds[level]?.op === maxAbs && ds[level].src[0].index !== x && ds[level].src[0].index < level) level = ds[level].src[0].index;
  const a = ds[level];
  return a?.op === maxAbs && a.src[0].index === x && a.p[0] === n ? "" : `tensor ${m} has not the largest magnitudes of the rows of tensor ${x}`;
}

/** G18: the parts of a norm are over one tensor. */
export function norms(d: Descriptor, ds: Descriptor[]): string {
  const [x, a] = [d.src[0].index, d.src[1].index];
  switch (d.op) {
    case sumSquares: return same(ds, x, a);
    case rowSquares: case rowInv: case rowNorm: return byRows(ds, d);
    case normInv: return same(ds, chain(ds, x, sumSquares, sum), a);
    case normApply: return ds[a]?.op === normInv ? same(ds, x, ds[a].src[1].index) : `tensor ${a} is no inverse norm`;
  }
  return "";
}

/** Round r of a selection over x by elements or by weight, ending in tensor i: the state before it, -1 if it is none. */
function round(ds: Descriptor[], i: number, x: number, r: number, by: bigint): number {
  const d = ds[i];
  if (d?.op !== digit) return -1;
  let h = d.src[0].index;
  const before = d.src[1].index;
  while (h < i && ds[h].op === sum && ds[h].src[0].index < h) h = ds[h].src[0].index;
  const e = ds[h];
  const fits = h < i && e.op === hist && d.p[0] === BigInt(r) && e.p[2] === BigInt(r) && e.p[3] === by && e.src[0].index === x && (r === 0 || e.src[1].index === before);
  return fits ? before : -1;
}

/** G21: a threshold is of the tensor whose elements it keeps. */
export function thresholds(d: Descriptor, ds: Descriptor[]): string {
  if (d.op !== keep) return "";
  const x = d.src[0].index;
  let at = d.src[1].index;
  if (ds[x]?.op !== exp2 && ds[x]?.op !== keep) return `tensor ${x} is not of weights, which are never negative`;
  for (let r = rounds - 1; r >= 0; r--) {
    const before = round(ds, at, x, r, d.p[1]);
    if (before < 0) return `tensor ${at} is not round ${r} of a threshold of tensor ${x}`;
    at = before;
  }
  const k = ds[at];
  if (k?.op !== rank || k.p[1] !== d.p[1] || k.p[0] !== d.p[0]) return `tensor ${at} is another rank`;
  return d.p[1] !== 1n || chain(ds, k.src[0].index, sum, sum) === x ? "" : `tensor ${at} is no rank among the elements of tensor ${x}`;
}
