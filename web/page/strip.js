// The strip of tokens: one cell each, as dark as it was likely, with its alternatives on demand.
import { $, chance, el, percent, show, visible } from "./show.js";

const most = 4000; // cells; an answer may be longer than anyone looks at
let tokens = [];

/** Empties the strip, but for the ids that are to be computed. */
export function clear(ids) {
  tokens = [];
  $("strip").replaceChildren(...ids.map((id) => el("span", { class: "cell pending" }, String(id))));
  $("strip-hint").textContent = "as ids: their text is the model's";
  show("strip-box", ids.length > 0);
  show("token", false);
}

/** Adds tokens that were computed. */
export function add(news) {
  for (const t of news) {
    const i = tokens.push(t) - 1;
    if (i === 0) {
      show("strip-box");
      $("strip-hint").textContent = "the darker, the likelier; arrow keys walk through them";
    }
    const pending = $("strip").children[i];
    if (i >= most) {
      if (i === most) $("strip").append(el("span", { class: "hint" }, "and more"));
    } else if (pending) pending.replaceWith(cell(t, i));
    else $("strip").append(cell(t, i));
  }
}

function cell(t, i) {
  const p = chance(t.log);
  const e = el("button", { class: t.claimed ? "cell other" : "cell", type: "button", role: "option", tabIndex: i === 0 ? 0 : -1, "aria-selected": "false",
    "aria-label": `token ${i}: ${t.text}, ${percent(p)}${t.claimed ? ", another one was claimed" : ""}` }, el("bdi", {}, visible(t.text)));
  e.style.setProperty("--p", p.toFixed(3));
  e.classList.toggle("strong", p > 0.55);
  e.addEventListener("click", () => choose(i));
  e.addEventListener("keydown", (event) => walk(event, i));
  return e;
}

function walk(event, i) {
  const to = { ArrowRight: i + 1, ArrowDown: i + 1, ArrowLeft: i - 1, ArrowUp: i - 1, Home: 0, End: Math.min(tokens.length, most) - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  choose(Math.max(0, Math.min(to, Math.min(tokens.length, most) - 1)));
}

/** Shows one token: how likely it was and what else could have come. */
export function choose(i) {
  const cells = $("strip").querySelectorAll("button.cell");
  cells.forEach((c, j) => {
    c.tabIndex = i === j ? 0 : -1;
    c.setAttribute("aria-selected", String(i === j));
  });
  cells[i].focus({ preventScroll: false });
  const t = tokens[i];
  const rows = [...t.top];
  for (const extra of [t, t.claimed]) {
    if (extra && !rows.some((r) => r.id === extra.id)) rows.push(extra);
  }
  $("token").replaceChildren(el("p", { class: "token-title" }, `Token ${i}, id ${t.id}`), el("ul", { class: "odds" }, ...rows.map((r) => odds(r, t))));
  show("token");
}

function odds(row, t) {
  const p = chance(row.log);
  const notes = [row.id === t.id && "computed", row.id === t.claimed?.id && "claimed"].filter(Boolean).join(", ");
  const e = el("li", { class: row.id === t.claimed?.id ? "claimed" : "" }, el("bdi", { class: "odds-text" }, visible(row.text)), el("span", { class: "odds-bar" }),
    el("span", { class: "odds-p" }, percent(p)), el("span", { class: "hint" }, notes));
  e.style.setProperty("--p", p.toFixed(4));
  return e;
}
