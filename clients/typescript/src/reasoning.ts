// What a model thinks before it answers: docs/spec/04-model.md §4.2.8 and §4.2.9.
import { type Marks, type Template } from "./template-read.js";

/** Bits of the efforts that a request may name. SPEC 16 §3.12. */
export const EFFORTS: Record<string, number> = { none: 1, minimal: 2, low: 2, medium: 4, high: 8, xhigh: 8, max: 8 };

const space = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

export function trimLeft(s: string): string {
  let i = 0;
  while (i < s.length && space.test(s[i])) i++;
  return s.slice(i);
}

export function trimRight(s: string): string {
  let i = s.length;
  while (i > 0 && space.test(s[i - 1])) i--;
  return s.slice(0, i);
}

/** The template of an effort, 0 for none that was named; undefined where there is none. */
export function wayOf(t: Template, effort: number): Template | undefined {
  if (t.ways.length === 0) return effort > 1 ? undefined : t;
  return effort === 0 ? t.ways[0].template : t.ways.find((w) => (w.efforts & effort) !== 0)?.template;
}

/** How answers tell reasoning apart; opened where the prompt has begun it. */
export interface Thoughts extends Marks { opened: boolean }

/** How answers to conversations of an effort are divided; undefined where all of them is said. */
export function thoughtsOf(t: Template, effort: number): Thoughts | undefined {
  const way = wayOf(t, effort);
  if (t.marks === undefined || way?.layout === undefined) return undefined;
  return after(t.marks, way.layout.generation);
}

/** All ways to read an answer to a request that is not known: after each end that prompts of the template have. */
export function allThoughts(t: Template): Thoughts[] {
  const marks = t.marks;
  if (marks === undefined) return [];
  const ends = t.ways.flatMap(({ template: w }) => [w.layout?.generation, w.toolsGeneration]);
  return ends.filter((end) => end !== undefined).map((end) => after(marks, end));
}

function after(marks: Marks, generation: string): Thoughts {
  return { ...marks, opened: trimRight(generation).endsWith(trimRight(marks.begin)) };
}

/** An answer's reasoning and what it says. SPEC 04 §4.2.9. */
export function divide(t: Thoughts | undefined, text: string): { reasoning: string; said: string } {
  if (t === undefined) return { reasoning: "", said: text };
  const answer = trimLeft(text), begins = answer.startsWith(t.begin);
  if (!begins && t.bare !== "" && answer.startsWith(t.bare)) return { reasoning: "", said: trimLeft(answer.slice(t.bare.length)) };
  if (!begins && !t.opened) return { reasoning: "", said: text };
  const rest = begins ? answer.slice(t.begin.length) : answer, end = rest.indexOf(t.end);
  if (end < 0) return { reasoning: trimRight(trimLeft(rest)), said: "" };
  return { reasoning: trimRight(trimLeft(rest.slice(0, end))), said: trimLeft(rest.slice(end + t.end.length)) };
}
