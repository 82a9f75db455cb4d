// The operations of docs/spec/02-opset.md §4, one element at a time, as the text says them: the slow
// form that other forms are compared with. Blocks, experts and encoders are in elements-more.ts.
import { be, sha256, utf8 } from "./bytes.js";
import { type Context, type DType, type Descriptor, type Ints, attended, KIND, shapeOf } from "./descriptor.js";
import { more } from "./elements-more.js";
import { abs, bitlen, clamp, div, exp2, floorDiv, isqrt, max, min, rs, sat } from "./numbers.js";

/** Where reads come from: n elements of a source from the first on. */
export interface Data {
  read(kind: number, index: number, type: DType, first: number, n: number): Ints;
}

/** The value of an element, before it is saturated to the target's type. */
export type Formula = (index: number) => bigint;

/** What an operation needs to give its formula. */
export interface Job {
  d: Descriptor;
  c: Context;
  shape: [number, number, number];
  /** Parameter i as a count: at least 0. */
  n(i: number): number;
  /** Reads n elements of source s. */
  get(s: number, type: DType, first: number, n?: number): bigint[];
  /** The same without conversion; for i8, i16 and i32. */
  raw(s: number, type: DType, first: number, n: number): ArrayLike<number>;
  has(s: number): boolean;
}

export type Operation = (j: Job) => Formula;

const sum = (x: bigint[]): bigint => x.reduce((a, b) => a + b, 0n);

/** Reductions: chunk c of row r of a matrix whose rows have n elements. SPEC 02 §4.1. */
function reduce(value: (x: bigint[], first: number, j: Job) => bigint): Operation {
  return (j) => {
    const k = j.n(1), f = Math.max(1, j.n(2)), type = j.n(3) as DType;
    const n = k === 0 ? j.n(0) : j.n(0) * Math.ceil(attended(j.c.t, j.d.window) / k);
    const chunks = j.shape[2];
    return (index) => {
      const r = Math.floor(index / chunks), lo = (index % chunks) * f;
      return value(j.get(0, type, r * n + lo, Math.min(n, lo + f) - lo), lo, j);
    };
  };
}

const excess = (x: bigint): bigint => max(0n, bitlen(x) - 24n);

/** dot is exact: at most 512 products below 2^31. */
function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let s = 0;
  for (let i = 0; i < a.length; i++) s += a[i] * b[i];
  return s;
}

/** First element of a K or V row in the KV tree, in i16. SPEC 02 §4.2. */
export function kvRow(depths: number, pos: number, layer: number, isV: number): number {
  const dLayer = (depths >> 8) & 255, dRow = depths & 255;
  return ((pos * 2 ** dLayer + layer) * 2 + isV) * 2 ** dRow * 256;
}

const norm = (j: Job): Formula => (index) => {
  const x = j.get(0, 4, 0)[0], s = excess(j.get(1, 4, 0)[0]);
  const r = isqrt(x + (j.d.p[1] >> min(2n * s, 62n)));
  return index === 1 ? s : r === 0n ? 0n : floorDiv(j.d.p[0], r);
};

const rope: Operation = (j) => {
  const hd = Math.max(1, j.n(1)), rd = j.n(2), shift = j.d.p[3];
  return (index) => {
    const i = index % hd, base = index - i;
    if (i >= rd) return rs(j.get(0, 3, index)[0], shift);
    const half = rd / 2, q = j.n(4) === 0 ? i >> 1 : i % half;
    const [lo, hi] = j.n(4) === 0 ? [2 * q, 2 * q + 1] : [q, q + half];
    const [u, v] = hi === lo + 1 ? j.get(0, 3, base + lo, 2) : [j.get(0, 3, base + lo)[0], j.get(0, 3, base + hi)[0]];
    const at = Math.min(j.c.t, Math.max(0, j.n(5) - 1));
    const [c, s] = j.get(1, 3, (at * half + q) * 2, 2);
    return rs(i === lo ? u * c - v * s : u * s + v * c, 30n + shift);
  };
};

const score: Operation = (j) => {
  const hd = j.n(0), group = Math.max(1, j.n(1)), len = attended(j.c.t, j.d.window), t = j.c.t;
  return (index) => {
    const h = Math.floor(index / len), pos = t + 1 - len + (index % len), at = Math.floor(h / group) * hd;
    const q = j.raw(0, 2, h * hd, hd);
    const k = pos === t ? j.raw(1, 2, at, hd) : j.raw(2, 2, kvRow(j.n(7), pos, j.n(4), 0) + at, hd);
    return rs(BigInt(dot(q, k)) * j.d.p[2], j.d.p[3]);
  };
};

const transpose: Operation = (j) => {
  const len = attended(j.c.t, j.d.window), t = j.c.t;
  return (index) => {
    const i = Math.floor(index / len), pos = t + 1 - len + (index % len);
    return pos === t ? j.get(1, 2, i)[0] : j.get(0, 2, kvRow(j.n(7), pos, j.n(4), 1) + i)[0];
  };
};

const mix: Operation = (j) => {
  const hd = Math.max(1, j.n(0)), group = Math.max(1, j.n(1)), len = attended(j.c.t, j.d.window), chunks = j.shape[2];
  return (index) => {
    const c = index % chunks, row = Math.floor(index / chunks), h = Math.floor(row / hd), i = row % hd;
    const lo = 128 * c, n = Math.min(len, lo + 128) - lo;
    const p = j.get(0, 3, h * len + lo, n), v = j.get(1, 2, (Math.floor(h / group) * hd + i) * len + lo, n);
    return sum(p.map((x, k) => x * v[k]));
  };
};

/** u of the draw. SPEC 02 §4 op 24. */
export function drawn(seed: bigint, t: number): bigint {
  const h = sha256(utf8("draw"), be(seed, 8), be(t, 4));
  return h.subarray(0, 8).reduce((a, b) => (a << 8n) | BigInt(b), 0n);
}

const select: Operation = (j) => {
  const n = j.n(0), f = Math.max(1, j.n(1)), top = j.n(3) === 1;
  return (index) => {
    const a = j.get(1, 4, 0, top ? 1 : 2);
    const q = top ? 0 : Number(clamp(a[0], 0n, BigInt(Math.max(0, Math.ceil(n / f) - 1)))), r = top ? a[0] : a[1];
    const x = j.get(0, j.n(2) as DType, q * f, Math.min(n, q * f + f) - q * f);
    let before = 0n, i = 0;
    for (; i + 1 < x.length && before + x[i] <= r; i++) before += x[i];
    return index === 0 ? BigInt(q * f + i) : r - before;
  };
};

const hist: Operation = (j) => {
  const n = j.n(0), f = Math.max(1, j.n(1)), r = j.n(2), weight = j.n(3) === 1, chunks = j.shape[2];
  return (index) => {
    const b = Math.floor(index / chunks), lo = (index % chunks) * f;
    const x = j.raw(0, 3, lo, Math.min(n, lo + f) - lo);
    const prefix = r === 0 ? 0n : j.get(1, 4, 0, 2)[0];
    if (prefix < 0n || prefix >> BigInt(4 * r) !== 0n) return 0n; // no number of 4r bits
    const want = Number(prefix) * 16 + b, below = 2 ** (28 - 4 * r);
    let out = 0;
    for (let i = 0; i < x.length; i++) if (Math.floor((x[i] >>> 0) / below) === want) out += weight ? x[i] : 1;
    return BigInt(out);
  };
};

const digit: Operation = (j) => (index) => {
  const h = j.get(0, 4, 0, 16), a = j.n(0) === 0 ? [0n, j.get(1, 4, 0)[0]] : j.get(1, 4, 0, 2);
  let d = 15, above = 0n;
  while (d > 0 && above + h[d] < a[1]) above += h[d--];
  return index === 0 ? a[0] * 16n + BigInt(d) : a[1] - above;
};

const stop: Operation = (j) => () => {
  const y = j.get(0, 3, 0)[0], c = j.c;
  const ends = c.stopCount > 0 ? j.get(1, 3, 0, Math.min(c.stopCount, 64)) : [];
  const state = j.get(2, 3, 0)[0], grammar = j.get(3, 3, 0)[0];
  if (grammar === -1n) return 6n;
  if (ends.includes(y)) return 1n;
  if (state === -1n) return 2n;
  if (c.t + 2 - c.m >= c.maxNew) return 3n;
  return c.t + 2 > c.tMax ? 4n : 0n;
};

/** The entry of token i in the row of the grammar's state. SPEC 02 §4.11. */
function entry(j: Job, i: number): bigint {
  const last = 2 ** 22 - 1, c = Number(j.get(1, 3, Math.min(i, last))[0]);
  return j.get(1, 3, Math.min(Math.max(1, j.n(0)) + (j.c.grammarState >>> 0) + Math.max(0, c), last))[0];
}

const mask: Operation = (j) => (i) => {
  const x = j.get(0, 3, i)[0];
  if (j.c.grammared !== 1) return x;
  return entry(j, i) > 0n ? max(x, -(1n << 30n)) : -(1n << 31n);
};

const grammarState: Operation = (j) => () => {
  if (j.c.grammared !== 1) return 0n;
  if (j.c.grammarState >>> 0 === 0xffffffff) return -1n;
  const y = Number(j.get(0, 3, 0)[0]);
  return max(0n, entry(j, y >= 0 && y < Math.max(1, j.n(0)) ? y : 0)) - 1n;
};

/** Stop strings, SPEC 02 §4.10. */
const stopState: Operation = (j) => () => {
  const lens = j.c.stopLens >>> 0, state = j.c.stopState >>> 0;
  if (lens === 0) return 0n;
  if (state === 0xffffffff) return -1n;
  const v = Number(j.get(0, 3, 0)[0]), rows = Math.max(1, j.n(0)), total = Math.max(1, j.n(1));
  const [place, count] = j.get(1, 3, 2 * (v >= 0 && v < rows ? v : 0), 2).map(Number);
  const lo = Math.min(Math.max(place, 0), total - 1), n = Math.min(Math.max(count, 0), 128, total - lo);
  const added = n === 0 ? [] : Array.from(j.raw(2, 1, lo, n)), table = Array.from(j.raw(3, 1, 0, 256));
  let out = 0n;
  for (let s = 0; s < 4; s++) {
    const length = Math.min((lens >>> (8 * s)) & 255, 64), want = table.slice(64 * s, 64 * s + length);
    if (length === 0) continue;
    const text = [...want.slice(0, Math.min((state >>> (8 * s)) & 255, length - 1)), ...added];
    let at = 0;
    while (at < text.length && !text.slice(at, at + length).every((b, i) => b === want[i])) at++;
    const matched = Math.min(length, text.length - at);
    if (matched === length) return -1n;
    out |= BigInt(matched) << BigInt(8 * s);
  }
  return out;
};

const silu: Operation = (j) => (i) => {
  const g = j.get(0, 3, i)[0], u = j.get(1, 3, i)[0], one = 1n << 30n;
  const e = exp2(-rs(abs(g) * 94548n, j.d.p[1]), 30n);
  const sig = g >= 0n ? div(1n << 60n, one + e) : div(e * one, one + e);
  return rs(rs(g * sig, 30n) * u, j.d.p[2]);
};

/** The least s in 0..62 with rs(|x|, s) <= 32512. */
export function scaleOf(x: bigint): bigint {
  let s = 0n;
  while (s < 62n && rs(abs(x), s) > 32512n) s++;
  return s;
}

/** Penalties and bias of a logit. SPEC 02 §4 op 29. */
function penalise(j: Job): Formula {
  const { repetition, presence, frequency, biased } = j.c, dense = 2 ** 20 - 1;
  const r = BigInt(Math.min(repetition, 2 ** 30)), counted = repetition !== 0 || presence !== 0 || frequency !== 0;
  return (i) => {
    const x = j.get(0, 3, i)[0], at = Math.min(i, dense);
    const c = counted ? j.get(1, 3, at)[0] : 0n, b = biased === 1 ? j.get(2, 3, at)[0] : 0n;
    const v = r === 0n || c <= 0n ? x : x > 0n ? div(x << 16n, r) : rs(x * r, 16n), g = c > 0n ? c / 2n : 0n;
    return (g > 0n ? v - (BigInt(presence) + g * BigInt(frequency)) : v) + b;
  };
}

const operations: Record<number, Operation> = {
  1: (j) => (i) => {
    const y = j.c.yPrev < j.n(0) ? j.c.yPrev : 0;
    const w = j.get(0, 1, y * j.n(1) + i)[0], [m, e] = j.get(1, 3, 2 * y, 2);
    return rs(w * m, e);
  },
  2: reduce((x) => x.reduce((a, b) => max(a, abs(b)), 0n)),
  3: reduce((x) => x.reduce(max)),
  4: reduce(sum),
  5: reduce((x, first) => x.map((v, i) => (v << 32n) + (1n << 32n) - 1n - BigInt(first + i)).reduce(max)),
  6: reduce((x, _, j) => {
    const s = excess(j.get(1, 4, 0)[0]);
    return sum(x.map((v) => (v >> s) ** 2n));
  }),
  7: norm,
  8: (j) => (i) => {
    const x = j.get(0, 3, i)[0], [inv, s] = j.get(1, 4, 0, 2);
    const z = rs(x * inv, j.d.p[0] + s);
    return j.has(2) ? rs(z * j.get(2, 3, i)[0], j.d.p[1]) : z;
  },
  9: (j) => {
    const k = j.n(0), chunk = Math.max(1, j.n(1)), chunks = j.shape[2];
    return (index) => {
      const lo = (index % chunks) * chunk, n = Math.min(chunk, k - lo);
      return BigInt(dot(j.raw(0, 2, lo, n), j.raw(1, 1, index * chunk, n)));
    };
  },
  10: (j) => (i) => {
    const c = j.n(0), x = sum(j.get(0, 4, i * c, c)), [m, e] = j.get(1, 3, 2 * i, 2);
    return rs(x * m, e - (j.has(2) ? j.get(2, 4, 0)[0] : 0n));
  },
  11: (j) => (i) => j.get(0, 3, i)[0] + j.get(1, 3, i)[0],
  12: (j) => (i) => rs(j.get(0, 3, i)[0] * j.get(1, 3, i)[0], j.d.p[1]),
  13: (j) => (i) => max(0n, j.get(0, 3, i)[0]),
  14: silu,
  15: (j) => () => scaleOf(j.get(0, 4, 0)[0]),
  16: (j) => (i) => {
    const x = j.get(0, 3, i)[0];
    return rs(x, j.has(1) ? j.get(1, 4, 0)[0] : j.d.p[1]);
  },
  17: rope,
  18: score,
  19: (j) => {
    const n = j.shape[2];
    return (index) => {
      const x = j.get(0, 3, index)[0], a = j.get(1, 4, Math.floor(index / n))[0];
      return exp2(x - a, j.d.p[2]);
    };
  },
  20: transpose,
  21: mix,
  22: (j) => (i) => {
    const x = j.get(0, 4, i)[0];
    return div(x, j.get(1, 4, Math.floor(i / Math.max(1, j.n(1))))[0]);
  },
  23: (j) => (i) => div(j.get(0, 3, i)[0] * j.d.p[1], BigInt(j.c.temperature)),
  24: (j) => () => (drawn(j.c.seed, j.c.t) * max(0n, j.get(0, 4, 0)[0])) >> 64n,
  25: select,
  26: (j) => () => {
    const key = j.get(0, 4, 0)[0], z = j.get(1, 4, 0)[0], b = j.get(2, 4, 0, 2);
    return j.c.temperature === 0 || z <= 0n ? (1n << 32n) - 1n - BigInt.asUintN(32, key) : b[0];
  },
  27: stop,
  28: (j) => () => j.get(0, 3, Math.min(j.c.t + 1, j.c.m - 1))[0],
  29: penalise,
  34: stopState,
  35: mask,
  36: grammarState,
  30: (j) => () => {
    if (j.n(1) === 0) return BigInt(j.c.topK === 0 || j.c.topK > j.n(0) ? j.n(0) : j.c.topK);
    const z = max(0n, j.get(0, 4, 0)[0]), p = BigInt(j.c.topP), one = 1n << 30n;
    return p === 0n || p >= one ? z : (z * p + one - 1n) >> 30n;
  },
  31: hist,
  32: digit,
  33: (j) => (i) => {
    const x = j.get(0, 3, i)[0], least = j.get(1, 4, 0, 2)[0];
    return x >= least && (j.n(1) === 0 || x >= BigInt(j.c.minP)) ? x : 0n;
  },
  ...more,
};

/** Whether this implementation has an operation. */
export const knows = (op: number): boolean => op in operations;

/** The elements of one operation, saturated to the target's type. */
export function elements(d: Descriptor, c: Context, data: Data): Formula {
  const op = operations[d.op];
  if (op === undefined) throw new Error(`operation ${d.op} is not implemented here`);
  const counts = d.p.map((v) => Number(max(0n, v)));
  const raw = (s: number, type: DType, first: number, n: number): Ints => data.read(d.src[s].kind, d.src[s].index, type, first, n);
  const j: Job = {
    d, c, shape: shapeOf(d, c.t),
    n: (i) => counts[i],
    get: (s, type, first, n = 1) => {
      const x = raw(s, type, first, n), out = new Array<bigint>(n);
      if (x instanceof BigInt64Array) for (let i = 0; i < n; i++) out[i] = x[i];
      else for (let i = 0; i < n; i++) out[i] = BigInt(x[i]);
      return out;
    },
    raw: (s, type, first, n) => raw(s, type, first, n) as Exclude<Ints, BigInt64Array>,
    has: (s) => d.src[s].kind !== KIND.none,
  };
  const formula = op(j), bits = BigInt(8 * 2 ** (d.type - 1));
  return (index) => sat(formula(index), bits);
}
