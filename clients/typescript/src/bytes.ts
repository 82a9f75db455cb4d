// Bytes: hex, base64url, readers of canonical encodings, hashes.
import { sha256 as sha } from "@noble/hashes/sha2";
import { keccak_256 } from "@noble/hashes/sha3";

/** A message about input that cannot be read; it names what and why. */
export class InputError extends Error {
  override name = "InputError";
}

/** SHA-256 of the parts, one after the other. */
export function sha256(...parts: Uint8Array[]): Uint8Array {
  const h = sha.create();
  for (const p of parts) h.update(p);
  return h.digest();
}

/** Keccak-256 of the parts, one after the other. */
export function keccak256(...parts: Uint8Array[]): Uint8Array {
  const h = keccak_256.create();
  for (const p of parts) h.update(p);
  return h.digest();
}

export const utf8 = (s: string): Uint8Array => new TextEncoder().encode(s);

export function hex(b: Uint8Array): string {
  let out = "";
  for (const x of b) out += x.toString(16).padStart(2, "0");
  return out;
}

export function fromHex(s: string): Uint8Array {
  if (s.length % 2 !== 0 || /[^0-9a-f]/.test(s)) throw new InputError(`hex ${JSON.stringify(s.slice(0, 20))}: want pairs of 0-9 and a-f`);
  const out = new Uint8Array(s.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(s.slice(2 * i, 2 * i + 2), 16);
  return out;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  let n = 0;
  for (const p of parts) n += p.length;
  const out = new Uint8Array(n);
  n = 0;
  for (const p of parts) {
    out.set(p, n);
    n += p.length;
  }
  return out;
}

/** An unsigned integer, big-endian, in so many bytes. */
export function be(v: number | bigint, size: number): Uint8Array {
  let x = BigInt(v);
  if (x < 0n || x >= 1n << BigInt(8 * size)) throw new InputError(`integer ${x} does not fit ${size} bytes`);
  const out = new Uint8Array(size);
  for (let i = size - 1; i >= 0; i--) {
    out[i] = Number(x & 255n);
    x >>= 8n;
  }
  return out;
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Unpadded base64url with zero bits at the end: one text for each byte string. */
export function base64url(b: Uint8Array): string {
  let out = "";
  for (let i = 0; i < b.length; i += 3) {
    const v = (b[i] << 16) | ((b[i + 1] ?? 0) << 8) | (b[i + 2] ?? 0);
    const n = Math.min(3, b.length - i) + 1;
    for (let k = 0; k < n; k++) out += letters[(v >> (18 - 6 * k)) & 63];
  }
  return out;
}

export function fromBase64url(s: string): Uint8Array {
  const out = new Uint8Array(Math.floor((s.length * 3) / 4));
  let v = 0, bits = 0, at = 0;
  for (let i = 0; i < s.length; i++) {
    const x = letters.indexOf(s[i]);
    if (x < 0) throw new InputError(`base64url: ${JSON.stringify(s[i])} at ${i}`);
    v = ((v << 6) | x) & 0xffff;
    if ((bits += 6) >= 8) {
      bits -= 8;
      out[at++] = (v >> bits) & 255;
    }
  }
  if (s.length % 4 === 1 || (v & ((1 << bits) - 1)) !== 0) throw new InputError("base64url: bits are left over at the end");
  return out;
}

/** Reads big-endian fields and never beyond the end. */
export class Reader {
  at = 0;
  private readonly view: DataView;
  constructor(readonly b: Uint8Array, readonly what: string) {
    this.view = new DataView(b.buffer, b.byteOffset, b.length);
  }
  fail(why: string): never {
    throw new InputError(`${this.what}, byte ${this.at}: ${why}`);
  }
  get left(): number {
    return this.b.length - this.at;
  }
  bytes(n: number): Uint8Array {
    if (n > this.left) this.fail(`${n} bytes are wanted, ${this.left} are left`);
    this.at += n;
    return this.b.subarray(this.at - n, this.at);
  }
  u8(): number {
    return this.bytes(1)[0];
  }
  u16(): number {
    this.bytes(2);
    return this.view.getUint16(this.at - 2);
  }
  u32(top = 0xffffffff, what = "number"): number {
    this.bytes(4);
    const v = this.view.getUint32(this.at - 4);
    if (v > top) this.fail(`${what} ${v}, at most ${top}`);
    return v;
  }
  i32(): number {
    return this.u32() | 0;
  }
  u64(): bigint {
    this.bytes(8);
    return this.view.getBigUint64(this.at - 8);
  }
  i64(): bigint {
    return BigInt.asIntN(64, this.u64());
  }
  u128(): bigint {
    return (this.u64() << 64n) | this.u64();
  }
  tag(s: string): void {
    if (!equal(this.bytes(Math.min(s.length, this.left)), utf8(s))) this.fail(`it does not begin with ${JSON.stringify(s)}`);
  }
  blob(top: number, what: string): Uint8Array {
    return this.bytes(this.u32(top, `length of ${what}`));
  }
  zeros(n: number): void {
    if (this.bytes(n).some((x) => x !== 0)) this.fail("a byte that must be zero is not");
  }
  end(): void {
    if (this.left !== 0) this.fail(`${this.left} bytes follow the end`);
  }
}
