// Chat templates: docs/spec/04-model.md §4.2. Conversations with tools are not rendered here.
import { InputError, Reader } from "./bytes.js";

/** A message that says what of a model or request is not implemented here. */
export class Unsupported extends Error {
  override name = "Unsupported";
}

export interface Message { role: string; content: string }

/** A stretch of a prompt: a literal of the template, which may name control pieces, or a content. */
export interface Part { text: string; literal: boolean }

const FLAG = {
  trimSystem: 1, trimUser: 2, trimAssistant: 4, mergeFirst: 8, mergeLast: 16, noSystem: 32, alternate: 64, replaces: 128,
  anywhere: 256, userLast: 512, trimMerged: 1024, opened: 2048, cutKeeps: 4096,
} as const;

interface Pair { before: string; after: string }

interface Layout {
  flags: number;
  begin: string;
  system: Pair;
  user: Pair;
  assistant: Pair;
  cut: string;
  generation: string;
}

const space = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

function trimLeft(s: string): string {
  let i = 0;
  while (i < s.length && space.test(s[i])) i++;
  return s.slice(i);
}

function trimRight(s: string): string {
  let i = s.length;
  while (i > 0 && space.test(s[i - 1])) i--;
  return s.slice(0, i);
}

function readLayout(r: Reader): Layout {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const flags = r.u16(), string = (): string => text.decode(r.bytes(r.u16()));
  const pair = (): Pair => ({ before: string(), after: string() });
  return { flags, begin: string(), system: pair(), user: pair(), assistant: pair(), cut: string(), generation: string() };
}

/** Bits of the efforts that a request may name. SPEC 16 §3.12. */
export const EFFORTS: Record<string, number> = { none: 1, minimal: 2, low: 2, medium: 4, high: 8, xhigh: 8, max: 8 };

/** The template of an effort, 0 for none that was named. SPEC 04 §4.2.8. */
function wayOf(r: Reader, effort: number): Uint8Array {
  const n = r.u8();
  let first: Uint8Array | undefined, found: Uint8Array | undefined;
  for (let i = 0; i < n; i++) {
    const efforts = r.u8(), template = r.bytes(r.u32());
    first ??= template;
    if ((efforts & effort) !== 0) found ??= template;
  }
  if (effort === 0) found = first;
  if (found === undefined) throw new InputError("reasoning: the model's template has no form for this effort");
  return found;
}

/** A template; undefined where it is the concatenation. */
function parse(b: Uint8Array, effort: number): Layout | undefined {
  const r = new Reader(b, "template");
  r.tag("elenchus/template/1");
  const form = r.u8();
  if (form === 5) return parse(wayOf(r, effort), 0);
  if (effort > 1) throw new InputError("reasoning: the model's template has no form for an effort");
  if (form === 1) {
    r.end();
    return undefined;
  }
  if (form !== 2) r.fail(`form ${form}`);
  const layout = readLayout(r);
  if (r.u8() === 0) r.end(); // else the layout with tools follows, which no conversation here has
  return layout;
}

class Printer {
  parts: Part[] = [];
  constructor(private readonly t: Layout) {}
  private on(flag: number): boolean {
    return (this.t.flags & flag) !== 0;
  }
  private put(text: string, literal: boolean): void {
    if (text !== "") this.parts.push({ text, literal });
  }
  private turn(p: Pair, content: string, trim: number): void {
    this.put(p.before, true);
    this.put(this.on(trim) ? trimRight(trimLeft(content)) : content, false);
    this.put(p.after, true);
  }
  private user(content: string, system: string | undefined, opened: boolean): void {
    if (!opened) this.put(this.t.user.before, true);
    const inner = new Printer(this.t), together = system !== undefined && this.on(FLAG.trimMerged);
    const trims = (flag: number): number => (together ? 0 : flag);
    if (system !== undefined) inner.turn(this.t.system, system, trims(FLAG.trimSystem));
    inner.turn({ before: "", after: "" }, content, trims(FLAG.trimUser));
    if (together) inner.trimAround();
    this.parts.push(...inner.parts);
    this.put(this.t.user.after, true);
  }
  private trimAround(): void {
    const p = this.parts;
    for (let i = 0; i < p.length; i++) if ((p[i].text = trimLeft(p[i].text)) !== "") break;
    for (let i = p.length - 1; i >= 0; i--) if ((p[i].text = trimRight(p[i].text)) !== "") break;
    this.parts = p.filter((x) => x.text !== "");
  }
  private check(messages: Message[]): void {
    const first = messages[0]?.role === "system" ? 1 : 0;
    const refuse = (why: string): never => {
      throw new InputError(`conversation: ${why}`);
    };
    if (this.on(FLAG.opened) && messages[first]?.role !== "user") refuse("the first message after a system message must be the user's");
    let want = "user";
    for (const [i, m] of messages.entries()) {
      if (m.role === "system") {
        if (this.on(FLAG.noSystem) || (i > 0 && !this.on(FLAG.anywhere))) refuse(`there is no place for messages[${i}], a system message`);
      } else if (this.on(FLAG.alternate)) {
        if (m.role !== want) refuse(`messages[${i}] is the ${m.role}'s, but user and assistant take turns`);
        want = want === "user" ? "assistant" : "user";
      }
    }
    if (this.on(FLAG.userLast) && messages[messages.length - 1]?.role === "assistant") refuse("the last message is the assistant's");
    if (this.on(FLAG.mergeFirst | FLAG.mergeLast) && first === 1 && !messages.some((m) => m.role === "user")) refuse("a system message needs a user's turn");
  }
  print(messages: Message[]): Part[] {
    this.check(messages);
    const t = this.t, merges = this.on(FLAG.mergeFirst | FLAG.mergeLast);
    const system = messages[0]?.role === "system" ? messages[0].content : undefined;
    if (system === undefined || !this.on(FLAG.replaces)) this.put(t.begin, true);
    if (system !== undefined && !merges) this.turn(t.system, system, FLAG.trimSystem);
    const rest = system === undefined ? messages : messages.slice(1);
    const users = rest.map((m, i) => (m.role === "user" ? i : -1)).filter((i) => i >= 0);
    const at = this.on(FLAG.mergeFirst) ? users[0] : users[users.length - 1];
    for (const [i, m] of rest.entries()) {
      if (m.role === "system") this.turn(t.system, m.content, FLAG.trimSystem);
      else if (m.role === "user") this.user(m.content, merges && i === at ? system : undefined, i === 0 && this.on(FLAG.opened));
      else if (m.role === "assistant") {
        const cut = t.cut === "" ? -1 : m.content.lastIndexOf(t.cut);
        this.turn(t.assistant, cut < 0 ? m.content : m.content.slice(cut + t.cut.length).replace(this.on(FLAG.cutKeeps) ? "" : /^\n+/, ""), FLAG.trimAssistant);
      } else throw new Unsupported(`messages of the role ${m.role}`);
    }
    this.put(t.generation, true);
    return this.parts;
  }
}

/** Renders messages into parts, for an effort of reasoning as a bit of EFFORTS, 0 where none is named. */
export function render(template: Uint8Array, messages: Message[], effort = 0): Part[] {
  const layout = parse(template, effort);
  return layout === undefined ? messages.map((m) => ({ text: m.content, literal: false })) : new Printer(layout).print(messages);
}
