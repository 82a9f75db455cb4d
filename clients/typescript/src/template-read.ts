// Templates as bytes: docs/spec/04-model.md §4.2. What is read is one that §4.2 admits; anything else is refused.
import { equal, InputError, Reader, utf8 } from "./bytes.js";

export const FLAG = {
  trimSystem: 1, trimUser: 2, trimAssistant: 4, mergeFirst: 8, mergeLast: 16, noSystem: 32, alternate: 64, replaces: 128,
  anywhere: 256, userLast: 512, trimMerged: 1024, opened: 2048, cutKeeps: 4096,
} as const;

export const FORM = { concat: 1, chat: 2, vectors: 3, dated: 4, reasoned: 5 } as const;

export interface Pair { before: string; after: string }

export interface Layout {
  flags: number;
  begin: string;
  system: Pair;
  user: Pair;
  assistant: Pair;
  cut: string;
  generation: string;
}

/** How a model marks what it thinks before it answers. SPEC 04 §4.2.8. */
export interface Marks { begin: string; end: string; bare: string }

/** How conversations look with some of the efforts. */
export interface Way { efforts: number; template: Template }

/** A template; layout is there in the forms chat and dated, ways and marks in the form reasoned. */
export interface Template {
  form: number;
  layout?: Layout;
  toolsGeneration?: string; // how prompts with tools end
  ways: Way[];
  marks?: Marks;
}

const tag = "elenchus/template/1", most = 65536, nowhere = 0xffff;

function string(r: Reader): string {
  const b = r.bytes(r.u16());
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(b);
  } catch {
    return r.fail("a string is not UTF-8");
  }
}

function strings(r: Reader, n: number): string[] {
  return Array.from({ length: n }, () => string(r));
}

function flag(r: Reader): boolean {
  const v = r.u8();
  if (v > 1) r.fail(`a flag is ${v}, want 0 or 1`);
  return v === 1;
}

/** Flags that exclude or need each other, and strings that they need empty. SPEC 04 §4.2.1. */
function fits(r: Reader, l: Layout): void {
  const on = (f: number): boolean => (l.flags & f) !== 0;
  const places = [FLAG.mergeFirst, FLAG.mergeLast, FLAG.noSystem].filter(on).length;
  if (l.flags >> 13 !== 0) r.fail(`flags ${l.flags}`);
  if (places > 1) r.fail("a system message has more than one place");
  if (on(FLAG.replaces) && places > 0) r.fail("a system message replaces the beginning and has another place");
  if (on(FLAG.trimMerged) && !on(FLAG.mergeFirst | FLAG.mergeLast)) r.fail("white space is cut off around messages that are apart");
  if (on(FLAG.opened) && on(FLAG.mergeFirst | FLAG.mergeLast | FLAG.anywhere)) r.fail("an opened turn of the user holds a system message");
  if (on(FLAG.cutKeeps) && l.cut === "") r.fail("newlines are kept after a cut that is not made");
  if (on(FLAG.noSystem) && l.system.before + l.system.after !== "") r.fail("literals of a system message without a place");
}

function readLayout(r: Reader): Layout {
  const flags = r.u16(), s = strings(r, 9);
  const l: Layout = {
    flags, begin: s[0], system: { before: s[1], after: s[2] }, user: { before: s[3], after: s[4] },
    assistant: { before: s[5], after: s[6] }, cut: s[7], generation: s[8],
  };
  fits(r, l);
  return l;
}

const literals = (l: Layout): string[] => [l.begin, l.system.before, l.system.after, l.user.before, l.user.after, l.assistant.before, l.assistant.after, l.cut, l.generation];

/** What a layout with tools has besides: where the list stands, and its own strings. SPEC 04 §4.2.2. */
interface Tools { layout: Layout; at: [string, number][]; strings: string[] }

function readTools(r: Reader): Tools | undefined {
  if (!flag(r)) return undefined;
  const layout = readLayout(r), holders = [layout.begin, layout.system.before, layout.system.after, layout.user.before, layout.user.after, layout.generation];
  const at = holders.map((s): [string, number] => [s, r.u16()]);
  flag(r); // of the last user's turn
  flag(r); // whole tools
  const indent = r.u8(), calls = flag(r), alone = flag(r), s = strings(r, 8);
  if (at.some(([holder, i]) => i !== nowhere && i > utf8(holder).length)) r.fail("the list of tools stands behind its literal");
  if (indent > 8) r.fail(`indent ${indent}`);
  if (!calls && (alone || s.slice(1).some((x) => x !== ""))) r.fail("literals of calls that are not shown");
  if (alone && s[2] !== "") r.fail("a literal between content and calls that never stand together");
  return { layout, at, strings: s };
}

/** Number of formats of dates. SPEC 04 §4.2.6. */
function readFormats(r: Reader): number {
  const n = r.u8();
  if (n < 1 || n > 4) r.fail(`${n} formats of dates`);
  for (const f of strings(r, n)) {
    if (utf8(f).length > 64 || f.includes("\0")) r.fail("a format of dates of more than 64 bytes, or with a NUL");
    if (f.replace(/%(-[md]|[YymdejBbAaF%])/g, "").includes("%")) r.fail("a format that is none of a date");
  }
  return n;
}

/** NUL bytes are blanks of one of n dates, and stand where dates are printed. */
function checkBlanks(r: Reader, n: number, l: Layout, tools: Tools | undefined): void {
  const bare = new RegExp(`\\0(?![0-${n - 1}])`); // eslint-disable-line no-control-regex
  for (const x of tools === undefined ? [l] : [l, tools.layout]) {
    if (literals(x).some((s) => bare.test(s)) || x.cut.includes("\0")) r.fail("a NUL that is no blank of a date");
  }
  if (tools === undefined) return;
  if (tools.strings.some((s) => s.includes("\0"))) r.fail("a date among the literals of tools");
  if (tools.at.some(([s, i]) => i !== nowhere && i > 0 && utf8(s)[i - 1] === 0)) r.fail("the list of tools stands inside a date");
}

function readWays(r: Reader): Way[] {
  const n = r.u8(), ways: Way[] = [];
  if (n < 1 || n > 4) r.fail(`${n} ways to reason`);
  for (let i = 0, seen = 0; i < n; i++) {
    const efforts = r.u8();
    if (efforts === 0 || efforts > 15 || (efforts & seen) !== 0) r.fail(`efforts ${efforts} after ${seen}`);
    seen |= efforts;
    const template = decodeTemplate(r.bytes(r.u32()));
    if (template.layout === undefined) r.fail(`a way to reason of form ${template.form}`);
    ways.push({ efforts, template });
  }
  return ways;
}

/** What follows the form of a model that reasons. SPEC 04 §4.2.8. */
function readReasoned(r: Reader): Template {
  const ways = readWays(r), shown = flag(r), [begin, end, bare, ...around] = strings(r, 6);
  if (begin === "" || end === "") r.fail("reasoning without a beginning or an end");
  if (!shown && around.some((s) => s !== "")) r.fail("literals around reasoning that is not shown");
  return { form: FORM.reasoned, ways, marks: { begin, end, bare } };
}

function readForm(r: Reader): Template {
  const form = r.u8(), t: Template = { form, ways: [] };
  switch (form) {
    case FORM.concat:
      return t;
    case FORM.vectors:
      flag(r);
      return t;
    case FORM.reasoned:
      return readReasoned(r);
    case FORM.chat:
    case FORM.dated: {
      const dates = form === FORM.dated ? readFormats(r) : 0, layout = readLayout(r), tools = readTools(r);
      if (dates > 0) checkBlanks(r, dates, layout, tools);
      return tools === undefined ? { ...t, layout } : { ...t, layout, toolsGeneration: tools.layout.generation };
    }
  }
  return r.fail(`form ${form}`);
}

/** Reads a template; bytes that are none are an InputError. SPEC 04 §4.2. */
export function decodeTemplate(b: Uint8Array): Template {
  if (b.length > most || !equal(b.subarray(0, tag.length), utf8(tag))) throw new InputError(`template: ${b.length} bytes without the tag, or more than ${most}`);
  const r = new Reader(b, "template");
  r.bytes(tag.length);
  const t = readForm(r);
  r.end();
  return t;
}
