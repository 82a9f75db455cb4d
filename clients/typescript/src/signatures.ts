// What the descriptor of each operation must be for its parameters: docs/spec/02-opset.md §4, 03-graph.md §4 G4 to G12 and §5.
import { type Descriptor, type Dim, type DType, KIND } from "./descriptor.js";

/** A number of elements: c, or c times the attended positions over k, rounded up, where k is not 0. */
export interface Size { c: number; k: number; w: number }

/** What an operation reads in a source. */
export interface Operand { kinds: number[]; types: DType[]; size: Size; leaf: number; optional: boolean }

/** Both ends of a range of a parameter, included; null where another invariant checks it. */
type Span = readonly [number, number] | null;

export interface Signature { targets: DType[]; dims: [Dim, Dim, Dim]; operands: Operand[]; params: Span[] }

const i8: DType = 1, i16: DType = 2, i32: DType = 3, i64: DType = 4;
const top = 2 ** 62, maxPositions = 2 ** 20, maxVocab = 2 ** 24;
const width: Span = [1, 2 ** 24], columns: Span = [1, 2 ** 16], shift: Span = [-62, 62], shiftUp: Span = [0, 62], zero: Span = [0, 0];
const head: Span = [1, 256], heads: Span = [1, 4096], flag: Span = [0, 1], multiplier: Span = [-(2 ** 24), 2 ** 24], dense: Span = [1, 2 ** 20];

const ceilDiv = (a: number, b: number): number => Math.ceil(a / Math.max(b, 1));
/** Weights in a leaf of a row of k. SPEC 02 §3. */
export const chunkOf = (k: number): number => Math.min(512, Math.ceil(k / 64) * 64);

const fixed = (...n: number[]): Size => ({ c: n.reduce((a, b) => a * Math.max(b, 0), 1), k: 0, w: 0 });
const mat = (r: number, n: number): [Dim, Dim, Dim] => [{ c: 1, k: 0 }, { c: r, k: 0 }, { c: n, k: 0 }];
const vec = (n: number): [Dim, Dim, Dim] => mat(1, n);
const growing = (r: number, k: number): [Dim, Dim, Dim] => [{ c: 1, k: 0 }, { c: r, k: 0 }, { c: 1, k }];

const from = (kinds: number[], type: DType, ...n: number[]): Operand => ({ kinds, types: [type], size: fixed(...n), leaf: 64, optional: false });
const on = (type: DType, ...n: number[]): Operand => from([KIND.tensor], type, ...n);
const rootA = (type: DType, ...n: number[]): Operand => from([KIND.rootA], type, ...n);
const rootB = (type: DType, ...n: number[]): Operand => from([KIND.rootB], type, ...n);
const state = (kind: number): Operand => ({ kinds: [kind], types: [], size: fixed(), leaf: 64, optional: false });
const maybe = (o: Operand): Operand => ({ ...o, optional: true });
const sized = (o: Operand, size: Size, leaf = 64): Operand => ({ ...o, size, leaf });

/** Bytes of a leaf of block-scaled weights, 0 where the parameters give no layout. SPEC 02 §5. */
export function blockLeaf(d: Descriptor): number {
  const [, chunk, block, offsets, code] = d.p.map(Number), bits = d.op === 72 ? code : d.op === 70 ? 8 : 4;
  const ok = chunk >= 64 && chunk <= 512 && chunk % 64 === 0 && (block === 16 || block === 32) && (offsets === 0 || offsets === 1) && (bits === 4 || bits === 8);
  return ok ? (chunk * bits) / 8 + ((4 * chunk) / block) * (1 + offsets) : 0;
}

/** The elements of a row of the reduce form, of exp2 and of a curve, times rows. */
const rowOf = (d: Descriptor, p: number[], rows: number): Size => (p[1] === 0 ? fixed(p[0], rows) : { c: Math.max(p[0], 0) * rows, k: p[1], w: d.window });

type Make = (d: Descriptor, p: number[]) => Signature;
const of = (targets: DType[], dims: (d: Descriptor, p: number[]) => [Dim, Dim, Dim], operands: (d: Descriptor, p: number[]) => Operand[], ...params: Span[]): Make =>
  (d, p) => ({ targets, dims: dims(d, p), operands: operands(d, p), params });

/** Elementwise over p0 elements. */
const each = (targets: DType[], type: DType, more: (p: number[], d: Descriptor) => Operand[], ...params: Span[]): Make =>
  of(targets, (_d, p) => vec(p[0]), (d, p) => [on(type, p[0]), ...more(p, d)], ...params);
const one = (): [Dim, Dim, Dim] => vec(1);
const own = (d: Descriptor): [Dim, Dim, Dim] => vec(d.dims[2].c);
const three = (d: Descriptor, last: Dim): [Dim, Dim, Dim] => [d.dims[0], d.dims[1], last];
const plain = (d: Descriptor, last: number): [Dim, Dim, Dim] => [{ c: d.dims[0].c, k: 0 }, { c: d.dims[1].c, k: 0 }, { c: last, k: 0 }];

/** The reduce form. SPEC 02 §4.1. */
const reduce: Make = (d, p) => {
  const single = d.op === 5 || d.op === 6, rows = single ? 1 : d.dims[0].c * d.dims[1].c;
  const last = p[1] === 0 ? { c: ceilDiv(p[0], p[2]), k: 0 } : { c: 1, k: p[1] * p[2] };
  const x = { ...on(p[3] === 4 ? i64 : i32), size: rowOf(d, p, rows) };
  const params: Span[] = [p[1] === 0 ? width : [1, 1], single ? zero : [0, 2 ** 32], null, single ? [3, 3] : [3, 4]];
  return { targets: [i64], dims: single ? [{ c: 1, k: 0 }, { c: 1, k: 0 }, last] : three(d, last), operands: d.op === 6 ? [x, on(i64, 1)] : [x], params };
};

const activate: Make = (d, p) => ({
  targets: [i32], dims: three(d, { c: p[0], k: p[1] }), operands: [sized(on(i32), rowOf(d, p, d.dims[0].c * d.dims[1].c))],
  params: [width, flag, [0, 4], [0, 2 ** 24], shiftUp, p[2] > 1 ? zero : [0, 2 ** 31], shiftUp],
});

const exp2: Make = (d, p) => {
  const rows = d.dims[0].c * d.dims[1].c;
  return { targets: [i32], dims: three(d, { c: p[0], k: p[1] }), operands: [sized(on(i32), rowOf(d, p, rows)), on(i64, rows)], params: [width, flag, [0, 30]] };
};

const mix: Make = (d, p) => {
  const over = (n: number): Size => ({ c: Math.max(n, 0), k: 1, w: d.window });
  return {
    targets: [i64], dims: [{ c: p[2], k: 0 }, { c: p[0], k: 0 }, { c: 1, k: 128 }], operands: [sized(on(i32), over(p[2])), sized(on(i16), over(p[5]))],
    params: [head, heads, heads, zero, zero, columns],
  };
};

const blockProduct = of([i64], (d, p) => mat(d.dims[1].c, ceilDiv(p[0], chunkOf(p[0]))),
  (d, p) => [on(i16, p[0]), rootA(i8, d.dims[1].c, ceilDiv(p[0], chunkOf(p[0])), blockLeaf(d))], columns, null, [16, 32], flag);

const rowResult: Make = (d, p) => {
  const n = d.dims[2].c, rows = Math.floor(n / Math.max(p[1], 1));
  return {
    targets: [i32, i16], dims: vec(n), operands: [on(i64, n, p[0]), rootB(i32, 2 * p[1], p[2]), maybe(on(i32, rows)), maybe(on(i64, p[4] === 1 ? 1 : rows))],
    params: [[1, 128], width, [1, 256], flag, flag],
  };
};

const table = (rows: number, ...p: number[]): Operand[] => [rootA(i8, rows, ...p), rootB(i32, 2 * rows)];
const key = on(i64, 1), number = on(i32, 1), pair = on(i64, 2);

const operations: Record<number, Make> = {
  1: of([i32], own, (_d, p) => table(p[0], p[1]), [1, maxVocab], null, null),
  2: reduce, 3: reduce, 4: reduce, 5: reduce, 6: reduce,
  7: of([i64], () => vec(2), () => [key, key], [1, top], [0, top]),
  8: of([i16, i32], (_d, p) => vec(p[2]), (_d, p) => [on(i32, p[2]), pair, maybe(rootA(i32, p[2]))], shiftUp, shiftUp, width),
  9: of([i64], (d, p) => mat(d.dims[1].c, ceilDiv(p[0], chunkOf(p[0]))), (d, p) => [on(i16, p[0]), rootA(i8, d.dims[1].c, ceilDiv(p[0], chunkOf(p[0])) * p[1])], columns, null),
  10: of([i32, i16], own, (d, p) => [on(i64, d.dims[2].c, p[0]), rootB(i32, 2 * d.dims[2].c), maybe(key)], [1, 128], [0, 23]),
  11: each([i32], i32, (p) => [from([KIND.tensor, KIND.rootA], i32, p[0])], width),
  12: each([i32], i32, (p) => [on(i32, p[0])], width, shift),
  13: each([i32], i32, () => [], width),
  14: each([i32], i32, (p) => [on(i32, p[0])], width, [0, 30], shift),
  15: of([i64], one, () => [key]),
  16: (d, p) => each([i16], i32, () => [maybe(key)], width, d.src[1].kind === KIND.none ? shift : zero)(d, p),
  17: each([i16], i32, (p) => [rootA(i32, p[5], p[2])], width, head, [2, 256], [-30, 32], flag, [1, 2 ** 30]),
  18: of([i32], (_d, p) => growing(p[6], 1), (_d, p) => [on(i16, p[6], p[0]), sized(on(i16), fixed(p[5]), 512), state(KIND.kv)], head, heads, multiplier, shiftUp, null, null, heads, null),
  19: exp2,
  20: of([i16], (_d, p) => growing(p[5], 1), (_d, p) => [state(KIND.kv), sized(on(i16), fixed(p[5]), 512)], zero, zero, zero, zero, null, null, zero, null),
  21: mix,
  22: each([i16], i64, (p) => [on(i64, ceilDiv(p[0], p[1]))], width, width),
  23: each([i32], i32, () => [], width, [-(2 ** 30), 2 ** 30]),
  24: of([i64], one, () => [key]),
  25: of([i64], () => vec(2), (_d, p) => [on(p[2] === 4 ? i64 : i32, p[0]), on(i64, 2 - p[3])], width, null, [3, 4], flag),
  26: of([i32], one, () => [key, key, pair]),
  27: of([i32], one, () => [number, state(KIND.stop), number, number]),
  28: of([i32], one, () => [state(KIND.prompt)]),
  29: each([i32], i32, () => [state(KIND.count), state(KIND.bias)], dense),
  30: of([i64], one, (_d, p) => (p[1] === 1 ? [key] : []), width, flag),
  31: of([i64], (_d, p) => mat(16, ceilDiv(p[0], p[1])), (_d, p) => [on(i32, p[0]), ...(p[2] > 0 ? [pair] : [])], width, null, [0, 7], flag),
  32: of([i64], () => vec(2), (_d, p) => [on(i64, 16), p[0] > 0 ? pair : key], [0, 7]),
  33: each([i32], i32, () => [pair], width, flag),
  34: of([i32], one, (_d, p) => [number, rootB(i32, 2, p[0]), rootA(i8, p[1]), state(KIND.strings)], [1, maxVocab], [64, maxPositions * 128]),
  35: each([i32], i32, () => [state(KIND.grammar)], dense),
  36: of([i32], one, () => [number, state(KIND.grammar)], dense),
  50: each([i32], i32, (p) => [rootA(i32, p[1])], width, head, [1, top], [0, top], shiftUp, shiftUp),
  51: activate,
  52: each([i32], i32, () => [key], width),
  53: of([i32], own, (_d, p) => table(p[0], p[1]), [1, maxPositions], null, null),
  70: blockProduct, 71: blockProduct,
  72: of([i32], own, (d, p) => table(p[0], ceilDiv(d.dims[2].c, chunkOf(d.dims[2].c)), blockLeaf(d)), [1, maxVocab], null, [16, 32], flag, [4, 8]),
  80: each([i32], i32, () => [], [1, 256]),
  81: of([i32], own, (_d, p) => [on(i32, p[0])], [1, 256]),
  82: of([i32], own, (d, p) => [on(i32, p[0]), on(i32, d.dims[2].c)], width),
  83: (d, p) => each([i32], p[4] === 4 ? i64 : i32, () => [on(i64, ceilDiv(p[0], p[2]))], width, [-(2 ** 31), 2 ** 31], width, [0, 31], [3, 4])(d, p),
  84: of([i64], (d, p) => plain(d, ceilDiv(p[0], chunkOf(p[0]))),
    (d, p) => [on(i16, p[0], p[3] === 1 ? d.dims[0].c : 1), rootA(i8, d.dims[1].c, ceilDiv(p[0], chunkOf(p[0])) * p[1], p[2]), maybe(on(i32, d.dims[0].c))], columns, null, [1, 256], flag),
  85: rowResult,
  86: each([i64], i64, () => [], width),
  87: each([i16], i32, (p) => [on(i64, ceilDiv(p[0], p[1]))], width, width),
  88: of([i32], (_d, p) => vec(p[0]), (_d, p) => [on(i32, p[0], p[1]), on(i32, p[1])], width, [1, 256], shiftUp),
  89: of([i32], (d) => mat(d.dims[1].c, d.dims[2].c), (_d, p) => [on(i32, p[4]), ...table(p[0], p[1])], [1, maxVocab], null, null, [0, 1024], [1, 1024]),
  90: of([i32], own, () => [state(KIND.prompt)], [1, 1024], [0, 512]),
  91: of([i32], (d) => plain(d, d.dims[2].c), (d, p) => [on(i16, p[0], d.dims[1].c, d.dims[0].c), on(i16, p[0], d.dims[1].c, d.dims[2].c), on(i32, d.dims[2].c)], head, zero, multiplier, shiftUp),
  92: of([i64], (d, p) => plain(d, ceilDiv(p[1], 128)), (d, p) => [on(i32, p[1], d.dims[0].c, ceilDiv(d.dims[1].c, p[0])), on(i16, p[1], d.dims[1].c)], head, [1, 512]),
  93: of([i32], (d) => mat(d.dims[1].c, d.dims[2].c), (d) => [on(i32, d.dims[2].c, d.dims[1].c), on(i32, d.dims[2].c)]),
  94: each([i32], i32, (p) => [on(i64, ceilDiv(p[0], p[1]))], width, width),
  95: of([i64], (d, p) => mat(d.dims[1].c, ceilDiv(p[0], p[1])), (d, p) => [on(i32, p[0], d.dims[1].c), on(i64, d.dims[1].c)], columns, [1, 256]),
  96: of([i64], (d) => mat(d.dims[1].c, 2), (d) => [on(i64, d.dims[1].c), on(i64, d.dims[1].c)], [1, top], [0, top]),
  97: of([i32], own, (d, p) => [on(i32, d.dims[2].c), on(i64, 2, ceilDiv(d.dims[2].c, p[2])), rootA(i32, p[2]), rootB(i32, p[2])], shiftUp, shiftUp, width),
  98: each([i32], i32, (p) => [rootA(i32, p[1])], width, width),
};

/** The signature of a descriptor, whose operation is one. */
export const signature = (d: Descriptor): Signature => operations[d.op](d, d.p.map(Number));

/** Whether an operation has a signature. */
export const signed = (op: number): boolean => operations[op] !== undefined;

/** Relations between parameters that ranges do not say; "" if they hold. SPEC 03 §5. */
export function relations(d: Descriptor): string {
  const p = d.p.map(Number), [, rows, n] = d.dims.map((x) => x.c);
  const holds: Record<number, () => boolean> = {
    17: () => p[2] % 2 === 0 && p[2] <= p[1] && p[0] % p[1] === 0,
    18: () => p[6] % p[1] === 0 && (p[6] / p[1]) * p[0] === p[5],
    21: () => p[2] % p[1] === 0 && (p[2] / p[1]) * p[0] === p[5],
    50: () => p[0] % p[1] === 0,
    81: () => n <= p[0],
    84: () => (d.src[2].kind !== KIND.none || p[2] === 1) && Math.max(p[0], rows) * p[2] <= 2 ** 32,
    85: () => (d.src[2].kind !== KIND.none || p[2] === 1) && n % p[1] === 0 && Math.max(p[0], rows) * p[2] <= 2 ** 32,
    89: () => p[3] + rows <= p[4],
    90: () => n <= p[0],
    92: () => rows % p[0] === 0,
    94: () => p[0] % p[1] === 0,
    97: () => n % p[2] === 0,
    98: () => p[0] % p[1] === 0,
  };
  return holds[d.op]?.() === false ? "its parameters do not fit each other" : "";
}

/** G11: the elements of a reduction or selection. */
export function fanIn(d: Descriptor): string {
  const p = d.p.map(Number);
  const [chunk, type] = d.op >= 2 && d.op <= 6 ? [p[2], p[3]] : d.op === 25 ? [p[1], p[2]] : d.op === 31 ? [p[1], 3] : [1, 3];
  return chunk >= 1 && chunk <= (type === 4 ? 128 : 256) ? "" : `chunks of ${chunk}`;
}

/** G12: weights lie in leaves of their size. */
export function weightLeaves(d: Descriptor): string {
  const p = d.p.map(Number), n = d.dims[2].c;
  const fit = (k: number, chunk: number, padded: number): boolean => chunk === chunkOf(k) && padded === Math.ceil(k / chunkOf(k)) * chunkOf(k);
  const ok = (): boolean => {
    switch (d.op) {
      case 9: case 84: return p[1] === chunkOf(p[0]);
      case 1: case 53: case 89: return fit(n, p[2], p[1]);
      case 70: case 71: return blockLeaf(d) > 0 && p[1] === chunkOf(p[0]);
      case 72: return blockLeaf(d) > 0 && p[1] === chunkOf(n);
      case 34: return p[1] % 64 === 0;
    }
    return true;
  };
  return ok() ? "" : "weights in other leaves than their rows have";
}
