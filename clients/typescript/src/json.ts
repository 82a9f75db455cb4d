// JSON whose numbers keep their decimal text: settings are read exactly, never through a float.
import { InputError } from "./bytes.js";

/** A number as it stands in the text. */
export class Decimal {
  constructor(readonly text: string) {}

  /** Rounded to so many fraction bits, halves up. */
  fixed(bits: number): bigint {
    const m = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(this.text)!;
    const exponent = Number(m[4] ?? 0) - (m[3] ?? "").length;
    if (Math.abs(exponent) > 400) throw new InputError(`number ${this.text.slice(0, 40)}: its exponent is out of range`);
    let num = BigInt(m[2] + (m[3] ?? "")) << BigInt(bits + 1), den = 1n;
    if (exponent >= 0) num *= 10n ** BigInt(exponent);
    else den = 10n ** BigInt(-exponent);
    const half = (num / den + 1n) >> 1n;
    return m[1] === "-" ? -half : half;
  }

  integer(): bigint {
    if (!/^-?\d+$/.test(this.text)) throw new InputError(`number ${this.text}: want an integer`);
    return BigInt(this.text);
  }
}

export type Json = null | boolean | string | Decimal | Json[] | Map<string, Json>;

const token = /\s*(?:([{}[\]:,])|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y;

export function parseJson(text: string): Json {
  let at = 0;
  const fail = (): never => {
    throw new InputError(`JSON: cannot read ${JSON.stringify(text.slice(at, at + 20))} at ${at}`);
  };
  const next = (): RegExpExecArray => {
    token.lastIndex = at;
    const m = token.exec(text) ?? fail();
    at = token.lastIndex;
    return m;
  };
  const value = (m: RegExpExecArray, deep: number): Json => {
    if (deep > 64) fail();
    if (m[2] !== undefined) return JSON.parse(m[2]) as string;
    if (m[3] !== undefined) return new Decimal(m[3]);
    if (m[4] !== undefined) return JSON.parse(m[4]) as boolean | null;
    if (m[1] === "[") {
      const out: Json[] = [];
      let k = next();
      if (k[1] === "]") return out;
      for (;;) {
        out.push(value(k, deep + 1));
        const sep = next()[1];
        if (sep === "]") return out;
        if (sep !== ",") fail();
        k = next();
      }
    }
    if (m[1] !== "{") fail();
    const out = new Map<string, Json>();
    let k = next();
    if (k[1] === "}") return out;
    for (;;) {
      if (k[2] === undefined || next()[1] !== ":") fail();
      const name = JSON.parse(k[2]) as string;
      if (out.has(name)) throw new InputError(`JSON: member ${JSON.stringify(name)} stands twice`);
      out.set(name, value(next(), deep + 1));
      const sep = next()[1];
      if (sep === "}") return out;
      if (sep !== ",") fail();
      k = next();
    }
  };
  const out = value(next(), 0);
  if (text.slice(at).trim() !== "") fail();
  return out;
}
