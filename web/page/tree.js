// The picture of a claim: what the signature covers, as a tree, with a seal for what was checked here.
import { $, el, short } from "./show.js";

const seals = { holds: "checked here", false: "not what it should be", signed: "signed, not computed again" };

function node({ name, hash, means, state, children = [] }) {
  return el("li", {}, el("div", { class: "leaf" }, el("span", { class: `seal ${state}`, role: "img", "aria-label": seals[state] }),
    el("span", { class: "leaf-name" }, name), hash ? el("code", { title: hash }, short(hash)) : null, el("span", { class: "leaf-means" }, means)),
  children.length ? el("ul", {}, ...children.map(node)) : null);
}

/** Draws the tree of a receipt; result is the own computation, or null. */
export function draw(sheet, result) {
  const check = (name) => sheet.checks.find((c) => c.name === name)?.outcome;
  const held = (name) => (check(name) === "holds" ? "holds" : check(name) === "false" ? "false" : "signed");
  const same = (mine, theirs) => (!mine ? "signed" : mine === theirs ? "holds" : "false");
  const { roots, held: mine } = sheet;
  const settings = mine.extras === roots.extras && mine.stop === roots.stop;
  const asked = [
    { name: "model", hash: sheet.model, means: "program, weights, tokenizer", state: result ? "holds" : "signed" },
    { name: "prompt", hash: roots.prompt, means: sheet.graph ? "the input" : `${sheet.prompt} tokens`, state: same(mine.prompt, roots.prompt) },
    { name: "settings", hash: /^0*$/.test(roots.extras) ? "" : roots.extras, means: "temperature, seed, limits and the rest", state: settings ? "holds" : "false" },
  ];
  const said = [
    { name: "answer", hash: roots.output, means: sheet.graph ? "the output" : `${sheet.output} tokens`, state: mine.output !== roots.output ? "false" : same(result?.roots.output, roots.output) },
  ];
  if (!sheet.graph) {
    said.push({ name: "states", hash: roots.state, means: "the model's memory after each token", state: same(result?.roots.state, roots.state) });
  }
  $("tree").replaceChildren(node({
    name: "signature", hash: sheet.node, means: "the node that answers with its stake", state: held("signature"),
    children: [{
      name: "claim", hash: sheet.id, means: "what it asserts", state: held("signature"),
      children: [{ name: "request", hash: sheet.request, means: "what was asked", state: same(mine.request, sheet.request), children: asked }, ...said],
    }],
  }));
}
