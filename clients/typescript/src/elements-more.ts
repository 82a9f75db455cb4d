// Further operations of docs/spec/02-opset.md §4: families (50 to 53), blocks (70 to 72), experts (80
// to 88), encoders (89 to 98).
import { type DType } from "./descriptor.js";
import type { Job, Operation } from "./elements.js";
import { abs, bitlen, clamp, div, exp2, floorDiv, isqrt, max, min, rs } from "./numbers.js";

const sum = (x: bigint[]): bigint => x.reduce((a, b) => a + b, 0n);
const excess = (x: bigint): bigint => max(0n, bitlen(x) - 24n);
const one = 1n << 30n;

function scaleOf(x: bigint): bigint {
  let s = 0n;
  while (s < 62n && rs(abs(x), s) > 32512n) s++;
  return s;
}

const headNorm: Operation = (j) => {
  const n = j.n(0), width = Math.max(1, j.n(1));
  return (i) => {
    const lo = Math.floor(i / width) * width, x = j.get(0, 3, lo, Math.min(n, lo + width) - lo);
    const s = excess(x.reduce((a, b) => max(a, abs(b)), 0n));
    const r = isqrt(sum(x.map((v) => (v >> s) ** 2n)) + (j.d.p[3] >> min(2n * s, 62n)));
    const inv = r === 0n ? 0n : floorDiv(j.d.p[2], r);
    return rs(rs(x[i - lo] * inv, j.d.p[4] + s) * j.get(1, 3, i % width)[0], j.d.p[5]);
  };
};

/** Curves of SPEC 02 §4.8 at w in Q24, Q30. */
function curve(kind: number, w: bigint): bigint {
  const a = kind === 3 ? min(abs(w), 1n << 28n) : abs(w), q = rs(a * a, 24n);
  const logistic = (e: bigint): bigint => (w >= 0n ? div(1n << 60n, one + e) : div(e * one, one + e));
  switch (kind) {
    case 0: {
      const e = exp2(-rs(a * 1512775n, 27n), 30n), v = div((one - e) * one, one + e);
      return w < 0n ? -v : v;
    }
    case 1:
    case 2:
      return logistic(exp2(-rs(a * 1512775n, 28n), 30n));
    case 3:
      return logistic(exp2(-rs((a + rs(rs(q * a, 24n) * 750193n, 24n)) * 2414040n, 28n), 30n));
  }
  const e = exp2(-rs(q * 756388n, 28n), 30n), u = div(1n << 54n, (1n << 24n) + rs(a * 3886306n, 24n));
  let p = 0n;
  for (const c of [569837700n, -780155054n, 763115692n, -152738022n, 136810596n]) p = rs((c + p) * u, 30n);
  const tail = rs(p * e, 30n);
  return w >= 0n ? one - tail : tail;
}

const activate: Operation = (j) => (i) => {
  const x = j.get(0, 3, i)[0], kind = j.n(2);
  const g = curve(kind, clamp(rs(x * j.d.p[3], j.d.p[4]), -one, one));
  return kind < 2 ? rs(g * j.d.p[5], j.d.p[6]) : rs(x * g, j.d.p[6]);
};

/** A leaf of block-scaled weights. SPEC 02 §5.1 and §5.2. */
class BlockLeaf {
  readonly size: number;
  constructor(private readonly chunk: number, private readonly block: number, private readonly offsets: number, private readonly bits: number) {
    this.size = (chunk * bits) / 8 + (4 * chunk * (1 + offsets)) / block;
  }
  code(b: ArrayLike<number>, i: number): bigint {
    if (this.bits === 8) return BigInt(b[i]);
    const v = b[16 * Math.floor(i / 32) + (i % 16)] & 255;
    return BigInt.asIntN(4, BigInt(i % 32 < 16 ? v & 15 : v >> 4));
  }
  private i32(b: ArrayLike<number>, at: number): bigint {
    return BigInt((b[at] & 255) | ((b[at + 1] & 255) << 8) | ((b[at + 2] & 255) << 16) | (b[at + 3] << 24));
  }
  mantissa(b: ArrayLike<number>, block: number): bigint {
    return this.i32(b, (this.chunk * this.bits) / 8 + 4 * block);
  }
  offset(b: ArrayLike<number>, block: number): bigint {
    return this.offsets === 0 ? 0n : this.i32(b, (this.chunk * this.bits) / 8 + (4 * this.chunk) / this.block + 4 * block);
  }
}

const matmulBlock = (bits: number): Operation => (j) => {
  const k = j.n(0), chunk = j.n(1), block = j.n(2), leaf = new BlockLeaf(chunk, block, j.n(3), bits), chunks = j.shape[2];
  return (index) => {
    const lo = (index % chunks) * chunk, n = Math.min(chunk, k - lo);
    const x = j.get(0, 2, lo, n), w = j.raw(1, 1, index * leaf.size, leaf.size);
    let out = 0n;
    for (let b = 0; b * block < n; b++) {
      let products = 0n, plain = 0n;
      for (let i = b * block; i < Math.min(n, (b + 1) * block); i++) {
        products += x[i] * leaf.code(w, i);
        plain += x[i];
      }
      out += leaf.mantissa(w, b) * products + leaf.offset(w, b) * plain;
    }
    return out;
  };
};

const embedBlock: Operation = (j) => {
  const chunk = j.n(1), block = j.n(2), leaf = new BlockLeaf(chunk, block, j.n(3), j.n(4)), chunks = Math.ceil(j.shape[2] / chunk);
  return (i) => {
    const y = j.c.yPrev < j.n(0) ? j.c.yPrev : 0, at = i % chunk, b = Math.floor(at / block);
    const w = j.raw(0, 1, (y * chunks + Math.floor(i / chunk)) * leaf.size, leaf.size), [m, e] = j.get(1, 3, 2 * y, 2);
    return rs((leaf.mantissa(w, b) * leaf.code(w, at) + leaf.offset(w, b)) * m, e);
  };
};

/** The block that row r names, 0 without names. */
function named(j: Job, s: number, r: number, blocks: number): number {
  return j.has(s) ? Number(clamp(j.get(s, 3, r)[0], 0n, BigInt(Math.max(0, blocks - 1)))) : 0;
}

const rowMatmul: Operation = (j) => {
  const k = j.n(0), chunk = Math.max(1, j.n(1)), [, rows, chunks] = j.shape;
  return (index) => {
    const c = index % chunks, n = Math.floor(index / chunks) % rows, r = Math.floor(index / chunks / rows);
    const b = named(j, 2, r, j.n(2)), lo = c * chunk, len = Math.min(chunk, k - lo);
    const x = j.raw(0, 2, (j.n(3) === 1 ? r : 0) * k + lo, len), w = j.raw(1, 1, ((b * rows + n) * chunks + c) * chunk, len);
    let out = 0;
    for (let i = 0; i < len; i++) out += x[i] * w[i];
    return BigInt(out);
  };
};

const rowResult: Operation = (j) => {
  const c = j.n(0), n = Math.max(1, j.n(1)), rows = Math.floor((j.shape[0] * j.shape[1] * j.shape[2]) / n);
  return (index) => {
    const [r, i] = j.n(3) === 1 ? [index % rows, Math.floor(index / rows)] : [Math.floor(index / n), index % n];
    const b = named(j, 2, r, j.n(2));
    const x = sum(j.get(0, 4, (r * n + i) * c, c)), [m, e] = j.get(1, 3, 2 * (b * n + i), 2);
    return rs(x * m, e - (j.has(3) ? j.get(3, 4, j.n(4) === 1 ? 0 : r)[0] : 0n));
  };
};

const rowScore: Operation = (j) => {
  const hd = j.n(0), [, heads, others] = j.shape;
  return (index) => {
    const k = index % others, h = Math.floor(index / others) % heads, i = Math.floor(index / others / heads);
    const x = j.raw(0, 2, (i * heads + h) * hd, hd), a = j.raw(1, 2, (k * heads + h) * hd, hd), live = j.get(2, 3, k)[0];
    let dot = 0;
    for (let q = 0; q < hd; q++) dot += x[q] * a[q];
    return live === 0n ? -(1n << 31n) : rs(BigInt(dot) * j.d.p[2], j.d.p[3]);
  };
};

const rowMix: Operation = (j) => {
  const hd = Math.max(1, j.n(0)), n = j.n(1), [, width, chunks] = j.shape, heads = Math.ceil(width / hd);
  return (index) => {
    const c = index % chunks, e = Math.floor(index / chunks) % width, i = Math.floor(index / chunks / width);
    const lo = 128 * c, len = Math.min(n, lo + 128) - lo;
    const x = j.get(0, 3, (i * heads + Math.floor(e / hd)) * n + lo, len), a = j.get(1, 2, e * n + lo, len);
    return sum(x.map((v, q) => v * a[q]));
  };
};

const rowNorm: Operation = (j) => {
  const width = Math.max(1, j.n(2));
  return (i) => {
    const x = j.get(0, 3, i)[0], [inv, s] = j.get(1, 4, 2 * Math.floor(i / width), 2);
    const gamma = j.get(2, 3, i % width)[0], beta = j.get(3, 3, i % width)[0];
    return rs(rs(x * inv, j.d.p[0] + s) * gamma, j.d.p[1]) + beta;
  };
};

const embedRows: Operation = (j) => {
  const width = j.shape[2];
  return (index) => {
    const r = Math.floor(index / width), i = index % width;
    const v = j.get(0, 3, Math.min(j.n(3) + r, j.n(4) - 1))[0], y = v >= 0n && v < j.d.p[0] ? Number(v) : 0;
    const w = j.get(1, 1, y * j.n(1) + i)[0], [m, e] = j.get(2, 3, 2 * y, 2);
    return rs(w * m, e);
  };
};

export const more: Record<number, Operation> = {
  50: headNorm,
  51: activate,
  52: (j) => (i) => {
    const x = j.get(0, 3, i)[0];
    return x - div(j.get(1, 4, 0)[0], j.d.p[0]);
  },
  53: (j) => (i) => {
    const y = Math.min(j.c.t, Math.max(0, j.n(0) - 1));
    const w = j.get(0, 1, y * j.n(1) + i)[0], [m, e] = j.get(1, 3, 2 * y, 2);
    return rs(w * m, e);
  },
  70: matmulBlock(8),
  71: matmulBlock(4),
  72: embedBlock,
  80: (j) => (i) => {
    const x = j.get(0, 3, 0, j.n(0));
    return BigInt(x.filter((v, l) => v > x[i] || (v === x[i] && l < i)).length);
  },
  81: (j) => (i) => {
    const at = j.get(0, 3, 0, j.n(0)).indexOf(BigInt(i));
    return BigInt(Math.max(0, at));
  },
  82: (j) => (i) => {
    const a = j.get(1, 3, i)[0];
    return j.get(0, 3, Number(clamp(a, 0n, BigInt(Math.max(0, j.n(0) - 1)))))[0];
  },
  83: (j) => (i) => {
    const x = j.get(0, j.n(4) as DType, i)[0], a = j.get(1, 4, Math.floor(i / Math.max(1, j.n(2))))[0];
    const top = 1n << BigInt(j.n(3));
    return clamp(div(x * j.d.p[1], a), -top, top);
  },
  84: rowMatmul,
  85: rowResult,
  86: (j) => (i) => scaleOf(j.get(0, 4, i)[0]),
  87: (j) => (i) => {
    const x = j.get(0, 3, i)[0];
    return rs(x, j.get(1, 4, Math.floor(i / Math.max(1, j.n(1))))[0]);
  },
  88: (j) => (i) => {
    const k = j.n(1), x = j.get(0, 3, i * k, k), a = j.get(1, 3, 0, k);
    return rs(sum(x.map((v, q) => v * a[q])), j.d.p[2]);
  },
  89: embedRows,
  90: (j) => (i) => {
    const x = j.get(0, 3, Math.min(i, j.n(0) - 1))[0];
    return x >= 0n && i < j.n(1) ? 1n : 0n;
  },
  91: rowScore,
  92: rowMix,
  93: (j) => {
    const rows = j.shape[2], width = j.shape[1];
    return (index) => {
      const e = Math.floor(index / rows), i = index % rows;
      const x = j.get(0, 3, i * width + e)[0];
      return j.get(1, 3, i)[0] === 0n ? 0n : x;
    };
  },
  94: (j) => (i) => {
    const width = Math.max(1, j.n(1)), x = j.get(0, 3, i)[0];
    return x - div(j.get(1, 4, Math.floor(i / width))[0], BigInt(width));
  },
  95: (j) => {
    const width = j.n(0), f = Math.max(1, j.n(1)), chunks = j.shape[2];
    return (index) => {
      const r = Math.floor(index / chunks), lo = (index % chunks) * f;
      const x = j.get(0, 3, r * width + lo, Math.min(width, lo + f) - lo), s = excess(j.get(1, 4, r)[0]);
      return sum(x.map((v) => (v >> s) ** 2n));
    };
  },
  96: (j) => (index) => {
    const r = Math.floor(index / 2), x = j.get(0, 4, r)[0], s = excess(j.get(1, 4, r)[0]);
    const root = isqrt(x + (j.d.p[1] >> min(2n * s, 62n)));
    return index % 2 === 1 ? s : root === 0n ? 0n : floorDiv(j.d.p[0], root);
  },
  97: rowNorm,
  98: (j) => (i) => {
    const x = j.get(0, 3, i)[0];
    return x + j.get(1, 3, i % Math.max(1, j.n(1)))[0];
  },
};
