// Chat templates: docs/spec/04-model.md §4.2. Conversations with tools are not rendered here.
import { InputError } from "./bytes.js";
import { trimLeft, trimRight, wayOf } from "./reasoning.js";
import { decodeTemplate, FLAG, FORM, type Layout, type Pair } from "./template-read.js";

/** A message that says what of a model or request is not implemented here. */
export class Unsupported extends Error {
  override name = "Unsupported";
}

export interface Message { role: string; content: string }

/** A stretch of a prompt: a literal of the template, which may name control pieces, or a content. */
export interface Part { text: string; literal: boolean }

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
  const way = wayOf(decodeTemplate(template), effort);
  if (way === undefined) throw new InputError("reasoning: the model's template has no form for this effort");
  if (way.form === FORM.dated) throw new Unsupported("templates that print the date");
  if (way.form === FORM.vectors) throw new InputError("conversation: the model makes vectors of texts and goes on with none");
  return way.layout === undefined ? messages.map((m) => ({ text: m.content, literal: false })) : new Printer(way.layout).print(messages);
}
