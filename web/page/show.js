// Makes elements. Everything that comes from receipts, models, gateways and chains goes through here and stays text.

/** An element with properties, classes and children: text or elements. */
export function el(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "class") e.className = value;
    else if (name in e) e[name] = value;
    else e.setAttribute(name, value);
  }
  e.append(...children.filter((c) => c !== undefined && c !== null));
  return e;
}

export const $ = (id) => document.getElementById(id);

/** Shows or hides. */
export function show(id, visible = true) {
  $(id).hidden = !visible;
}

/** Text that cannot hide, reorder or blank what stands around it: marks of direction and control are written out. */
export function plain(text) {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (c) => `⟨${c.codePointAt(0).toString(16).padStart(4, "0")}⟩`);
}

/** A token as it is shown: blanks and ends of lines are visible. */
export function visible(text) {
  return plain(text).replace(/\n/g, "⏎").replace(/\t/g, "⇥").replace(/ /g, "\u00a0") || "∅";
}

/** The beginning and the end of a hash. */
export const short = (hash) => (hash.length > 20 ? `${hash.slice(0, hash.startsWith("0x") ? 10 : 8)}…${hash.slice(-6)}` : hash);

/** A probability from its natural logarithm in Q16. */
export const chance = (log) => Math.exp(log / 65536);

/** A probability in words. */
export function percent(p) {
  if (p >= 0.9995) return "over 99.9 %";
  if (p < 0.0001) return "below 0.01 %";
  return `${(100 * p).toFixed(p < 0.01 ? 2 : 1)} %`;
}

export const words = { holds: "holds", false: "false", pending: "pending", cannot: "cannot be checked", unasked: "not asked yet" };
export const marks = { holds: "✓", false: "✗", pending: "…", cannot: "?", unasked: "–" };

/** A list item of a statement and what became of it. */
export function statement({ name, outcome, detail }) {
  return el("li", { class: `check ${outcome}` }, el("span", { class: "mark", "aria-hidden": "true" }, marks[outcome] ?? "?"),
    el("span", { class: "check-name" }, name), el("span", { class: "check-outcome" }, words[outcome] ?? outcome), el("span", { class: "check-detail" }, plain(detail)));
}
