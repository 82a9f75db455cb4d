// Text and ids: docs/spec/04-model.md §4. Here: scored tokenizers; what a model has of other kinds is
// not checked, and said so.
import { InputError, Reader, utf8 } from "./bytes.js";
import { type Part, Unsupported } from "./template.js";

const KINDS = { normal: 1, unknown: 2, control: 3, user: 4, unused: 5, byte: 6 } as const;

interface Fragment { text: string; id: number }

interface Piece { kind: number; score: number; text: Uint8Array; key: string }

/** Bytes as a string of one character each, so that they can be keys. */
function key(b: Uint8Array): string {
  let out = "";
  for (const x of b) out += String.fromCharCode(x);
  return out;
}

const space = key(utf8("\u2581"));

export class Tokenizer {
  readonly bos: number;
  private readonly unknown: number;
  private readonly flags: number;
  private readonly eos: number;
  private readonly pieces: Piece[] = [];
  private readonly words = new Map<string, number>();
  private readonly bytes = new Map<number, number>();
  private readonly user: number[] = [];
  private readonly special: number[] = []; // and those of user

  constructor(b: Uint8Array) {
    const r = new Reader(b, "tokenizer");
    r.tag("elenchus/tokenizer/1");
    const algorithm = r.u8();
    if (algorithm !== 1) throw new Unsupported(`tokenizers of algorithm ${algorithm}`);
    this.flags = r.u8();
    this.bos = r.i32();
    this.eos = r.i32();
    this.unknown = r.i32();
    const count = r.u32(1 << 20, "number of pieces");
    for (let id = 0; id < count; id++) {
      const kind = r.u8(), score = r.i32(), text = r.bytes(r.u16());
      this.add(id, { kind, score, text, key: key(text) });
    }
    r.end();
    const longest = (a: number, b: number): number => this.pieces[b].text.length - this.pieces[a].text.length || a - b;
    this.user.sort(longest);
    this.special.sort(longest);
  }

  private add(id: number, p: Piece): void {
    this.pieces.push(p);
    if (p.kind === KINDS.normal || p.kind === KINDS.user || p.kind === KINDS.unused) this.words.set(p.key, id);
    if (p.kind === KINDS.user) this.user.push(id);
    if (p.kind === KINDS.user || p.kind === KINDS.control || p.kind === KINDS.unknown) this.special.push(id);
    if (p.kind === KINDS.byte) this.bytes.set(parseInt(p.key.slice(3, 5), 16), id);
  }

  /** Cuts pieces out of stretches of text, each wherever it still occurs, in the order given. */
  private cut(parts: Fragment[], ids: number[]): Fragment[] {
    for (const id of ids) {
      parts = parts.flatMap((f) => {
        if (f.id >= 0) return [f];
        return f.text.split(this.pieces[id].key).flatMap((t, i) => [...(i > 0 ? [{ text: "", id }] : []), ...(t !== "" ? [{ text: t, id: -1 }] : [])]);
      });
    }
    return parts;
  }

  /** Ids of a text, with neither BOS nor EOS. SPEC 04 §4.11a. */
  encode(text: string): number[] {
    return this.encodeParts([{ text, literal: false }]);
  }

  /** Ids of parts together: control pieces are cut out of literals alone. SPEC 04 §4.3. */
  encodeParts(given: Part[]): number[] {
    const joined: Fragment[] = [];
    for (const p of given) {
      const part = { text: key(utf8(p.text)), id: -1 };
      for (const f of p.literal ? this.cut([part], this.special) : [part]) {
        const last = joined[joined.length - 1];
        if (f.id < 0 && last !== undefined && last.id < 0) last.text += f.text;
        else joined.push({ ...f });
      }
    }
    const out: number[] = [], adds = (this.flags & 4) !== 0;
    let prefix = adds;
    for (const f of this.cut(joined, this.user)) {
      if (f.id < 0 && f.text === "") continue;
      if (f.id >= 0) out.push(f.id);
      else out.push(...this.merge((prefix ? space : "") + f.text.replaceAll(" ", space)));
      prefix = f.id >= 0 && adds;
    }
    return out;
  }

  private merge(text: string): number[] {
    const symbols: string[] = [];
    for (let at = 0; at < text.length; ) {
      const first = text.charCodeAt(at), size = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
      symbols.push(text.slice(at, (at += size)));
    }
    for (;;) {
      let best = -1, score = 0;
      for (let i = 0; i + 1 < symbols.length; i++) {
        const id = this.words.get(symbols[i] + symbols[i + 1]);
        if (id !== undefined && (best < 0 || this.pieces[id].score > score)) [best, score] = [i, this.pieces[id].score];
      }
      if (best < 0) break;
      symbols.splice(best, 2, symbols[best] + symbols[best + 1]);
    }
    return symbols.flatMap((s) => {
      const id = this.words.get(s);
      if (id !== undefined) return [id];
      const bytes = [...s].map((ch) => this.bytes.get(ch.charCodeAt(0)));
      return bytes.includes(undefined) ? [this.unknown] : (bytes as number[]);
    });
  }

  /** Prompt ids of a text. SPEC 04 §4.3. */
  prompt(text: string): number[] {
    const out = this.begun(this.encode(text), false);
    if ((this.flags & 2) !== 0 && this.eos >= 0) out.push(this.eos);
    return out;
  }

  /** Prompt ids of rendered parts, which have no EOS. */
  promptOf(parts: Part[]): number[] {
    return this.begun(this.encodeParts(parts), true);
  }

  private begun(ids: number[], once: boolean): number[] {
    const adds = (this.flags & 1) !== 0 && this.bos >= 0 && !(once && ids[0] === this.bos);
    return adds ? [this.bos, ...ids] : ids;
  }

  /** What an id adds in the middle of a text, a character for each byte. */
  private adds(id: number): string {
    const p = this.pieces[id];
    if (p === undefined) throw new InputError(`id ${id} of ${this.pieces.length} pieces`);
    switch (p.kind) {
      case KINDS.byte: return String.fromCharCode(parseInt(p.key.slice(3, 5), 16));
      case KINDS.user: return p.key;
      case KINDS.normal: return p.key.replaceAll(space, " ");
    }
    return "";
  }

  /**
   * Text of output ids, up to the first of the strings that occurs in their bytes. Control pieces whose text occurs in
   * one of the words give it, and no string is looked for in that. SPEC 04 §4.2.9, §4.11b, 16 §3.7.
   */
  decode(ids: number[], beginsText: boolean, stop: number[], strings: Uint8Array[] = [], words: string[] = []): string {
    const keys = words.map((w) => key(utf8(w))), said: { text: string; from: number }[] = []; // from: bytes of the matched text before it
    let matched = "", first: number | undefined;
    for (const id of ids.filter((x) => !stop.includes(x))) {
      const text = this.adds(id), p = this.pieces[id];
      if (text !== "") first ??= id;
      matched += text;
      if (p.kind === KINDS.control && keys.some((w) => w.includes(p.key))) said.push({ text: p.key, from: matched.length });
    }
    const ends = strings.map((x) => matched.indexOf(key(x))).filter((at) => at >= 0), end = ends.length > 0 ? Math.min(...ends) : matched.length;
    const strip = beginsText && (this.flags & 4) !== 0 && first !== undefined && this.pieces[first].kind !== KINDS.user && matched[0] === " ";
    let out = "", at = strip ? 1 : 0;
    for (const s of said.filter((x) => x.from <= end)) {
      out += matched.slice(at, s.from) + s.text;
      at = Math.max(at, s.from);
    }
    return lossy(Uint8Array.from(out + matched.slice(at, end), (ch) => ch.charCodeAt(0)));
  }
}

/** UTF-8 in which each byte that is part of no character is U+FFFD. */
function lossy(b: Uint8Array): string {
  let out = "";
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (let at = 0; at < b.length; ) {
    let size = b[at] < 0x80 ? 1 : b[at] < 0xe0 ? 2 : b[at] < 0xf0 ? 3 : 4, s = "\ufffd";
    try {
      s = strict.decode(b.subarray(at, at + size));
    } catch {
      size = 1;
    }
    out += s;
    at += size;
  }
  return out;
}
