// Integer arithmetic of docs/spec/01-numbers.md §3, over the mathematical integers.

/** Rounding shift: x / 2^s to nearest, halves up. SPEC 01 §3.1. */
export function rs(x: bigint, s: bigint): bigint {
  if (s < 0n) return x << (-s < 62n ? -s : 62n);
  if (s === 0n) return x;
  if (s > 62n) s = 62n;
  return (x + (1n << (s - 1n))) >> s;
}

/** Clamps to n bits, two's complement. SPEC 01 §3.2. */
export function sat(x: bigint, bits: bigint): bigint {
  const top = 1n << (bits - 1n);
  return x >= top ? top - 1n : x < -top ? -top : x;
}

/** Division rounded towards minus infinity; b > 0. */
export function floorDiv(a: bigint, b: bigint): bigint {
  const q = a / b;
  return a % b < 0n ? q - 1n : q;
}

/** floor((2a + b) / 2b), 0 for b <= 0. SPEC 01 §3.3. */
export function div(a: bigint, b: bigint): bigint {
  return b <= 0n ? 0n : floorDiv(2n * a + b, 2n * b);
}

export const abs = (x: bigint): bigint => (x < 0n ? -x : x);
export const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
export const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
export const clamp = (x: bigint, lo: bigint, hi: bigint): bigint => max(lo, min(x, hi));

/** Bits of |x|; 0 for 0. SPEC 01 §3.4. */
export function bitlen(x: bigint): bigint {
  return x === 0n ? 0n : BigInt(abs(x).toString(2).length);
}

/** floor(sqrt(x)), 0 for x <= 0. SPEC 01 §3.5. */
export function isqrt(x: bigint): bigint {
  if (x <= 0n) return 0n;
  let r = 1n << ((bitlen(x) + 1n) / 2n);
  for (;;) {
    const next = (r + x / r) >> 1n;
    if (next >= r) return r;
    r = next;
  }
}

/** T[k] = round(2^30 * 2^(k/256)), by the inequality of SPEC 01 §3.6. */
function exp2Table(): bigint[] {
  const out: bigint[] = [];
  for (let k = 0n; k <= 256n; k++) {
    const x = 1n << (256n * 31n + k);
    let lo = 1n << 30n, hi = (1n << 31n) + 1n; // (2 lo - 1)^256 <= x < (2 hi - 1)^256
    while (hi - lo > 1n) {
      const mid = (lo + hi) >> 1n;
      if ((2n * mid - 1n) ** 256n <= x) lo = mid;
      else hi = mid;
    }
    out.push(lo);
  }
  return out;
}

let table: bigint[] | undefined;

/** 2^(x / 65536) with q fraction bits; x above 0 acts as 0. SPEC 01 §3.6. */
export function exp2(x: bigint, q: bigint): bigint {
  table ??= exp2Table();
  if (x > 0n) x = 0n;
  const i = x >> 16n, f = x & 65535n;
  const a = Number(f >> 8n), b = f & 255n;
  const v = rs(table[a] * (256n - b) + table[a + 1] * b, 8n);
  const s = 30n - q - i;
  return s > 62n ? 0n : rs(v, s);
}
