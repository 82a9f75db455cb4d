// The page that checks receipts: takes one in, shows what it says, computes it again and asks chains about it.
import { askChain, askGateway } from "./chain.js";
import { $, el, marks, plain, show, statement, visible } from "./show.js";
import * as strip from "./strip.js";
import { draw } from "./tree.js";
import { ask, cancel } from "./verifier.js";

const kept = decodeURIComponent(location.pathname.replace(/^\/receipts\/?/, ""));
let text = ""; // of the receipt
let sheet = null; // the receipt in words
let result = null; // of the own computation
let batch = null; // where the gateway says that the claim stands
let key = ""; // of the gateway; kept nowhere

function problem(id, message) {
  $(id).textContent = plain(message);
  show(id, message !== "");
}

function busy(message) {
  $("busy").textContent = message;
  show("busy", message !== "");
}

/** The receipt in what a user pasted or dropped: bare, or a field of an answer in JSON or in the lines of a stream. */
function find(input) {
  const bare = input.trim();
  if (/^[A-Za-z0-9_-]+$/.test(bare)) return bare;
  const found = [...input.matchAll(/"elenchus_receipt"\s*:\s*"([A-Za-z0-9_-]+)"/g)].at(-1);
  return found ? found[1] : bare.replace(/\s+/g, "");
}

async function check(input) {
  problem("problem", "");
  text = find(input);
  if (text === "") return;
  busy("Starting the verifier");
  const slow = setTimeout(() => busy("Starting the verifier. A gateway that runs from its sources compiles it first: about a minute, once."), 5000);
  try {
    sheet = await ask("describe", { text });
    [result, batch] = [null, null];
    report();
  } catch (e) {
    show("report", false);
    show("intake");
    problem("problem", `This is not a receipt that can be read. ${e.message}`);
  } finally {
    clearTimeout(slow);
    busy("");
  }
}

const verdicts = {
  unchecked: ["Signed", "The signature and every commitment to the request and the ids hold. Whether the model computes this answer is not known until it is computed again."],
  holds: ["Holds", "Your browser computed the answer again: the same tokens and the same states, bit for bit."],
  false: ["False", ""],
};

/** The whole verdict: false if anything is, holds only if the answer was computed. */
function verdict() {
  const all = result ? result.checks : sheet.checks;
  const wrong = all.find((c) => c.outcome === "false");
  const cannot = all.find((c) => c.outcome === "cannot");
  const kind = wrong ? "false" : !result || cannot ? "unchecked" : "holds";
  const [title, why] = verdicts[kind];
  $("verdict").className = `verdict ${kind}`;
  $("stamp").textContent = kind === "unchecked" ? marks.pending : marks[kind];
  $("verdict-title").textContent = title;
  $("verdict-why").textContent = plain(wrong ? `${wrong.name}: ${wrong.detail}.` : cannot ? `${cannot.name}: ${cannot.detail}.` : why);
  document.title = `${title} · receipt ${sheet.id.slice(0, 8)} · elenchus`;
}

const leads = {
  before: "Your browser can compute this answer itself: it loads the model, runs it on the prompt of the receipt, and compares every token and both roots.",
  after: (seconds) => `Computed here, by the model of the receipt, in ${seconds} s with loading it.`,
};

const onChain = ["inclusion", "window", "verdict"]; // have a section of their own

function statements() {
  const merged = sheet.checks.filter((c) => !onChain.includes(c.name)).map((c) => result?.checks.find((r) => r.name === c.name && r.outcome !== "unasked") ?? c);
  $("checks").replaceChildren(...merged.map(statement));
}

function field(row) {
  return el("div", { class: "field" }, el("dt", {}, row.name), el("dd", {}, el("code", {}, plain(row.value)), el("span", {}, plain(row.means))));
}

function report() {
  show("intake", false);
  show("report");
  strip.clear(sheet.first);
  $("again-lead").textContent = leads.before;
  for (const id of ["difference", "texts", "again-problem", "running"]) show(id, false);
  show("again-actions");
  $("chain-answer").replaceChildren();
  $("fields").replaceChildren(...sheet.groups.map((g, i) => el("details", { open: i === 3 }, el("summary", {}, g.title), el("dl", {}, ...g.rows.map(field)))));
  refresh();
  $("verdict-title").focus({ preventScroll: true });
}

function refresh() {
  verdict();
  statements();
  draw(sheet, result);
}

const mib = (n) => `${(n / 1048576).toFixed(1)} MiB`;

/** What the worker tells while it computes. */
function tell(news) {
  if (news.loaded !== undefined) {
    $("bar-label").textContent = `Loading the model: ${mib(news.loaded)}${news.size ? ` of ${mib(news.size)}` : ""}`;
    [$("bar").max, $("bar").value] = [news.size || news.loaded, news.loaded];
  } else if (news.model) {
    $("bar-label").textContent = `Model ${plain(news.model.name)} is the one of the receipt`;
  } else {
    const { done, of, tokens } = news.news;
    $("bar-label").textContent = sheet.graph ? `Stage ${done} of ${of}` : `Position ${done} of ${of}`;
    [$("bar").max, $("bar").value] = [of, done];
    strip.add(tokens);
  }
}

async function compute(source) {
  strip.clear(sheet.first);
  problem("again-problem", "");
  show("difference", false);
  show("again-actions", false);
  $("bar").removeAttribute("value");
  $("bar-label").textContent = "Starting";
  show("running");
  const began = performance.now();
  try {
    result = await ask("compute", { text, ...source }, tell);
    $("again-lead").textContent = leads.after(((performance.now() - began) / 1000).toFixed(1));
    conclude();
  } catch (e) {
    problem("again-problem", e.message === "stopped" ? "Stopped. Nothing was concluded." : `The answer could not be computed: ${e.message}`);
    show("again-actions");
  } finally {
    show("running", false);
  }
}

/** Shows what the computation comes to. */
function conclude() {
  refresh();
  if (sheet.graph) return;
  $("prompt-text").textContent = plain(result.prompt);
  show("texts");
  if (result.outcome === "holds") {
    $("difference").replaceChildren(el("h3", {}, "Answer"), el("p", { class: "said" }, plain(result.output)));
  } else {
    $("difference").replaceChildren(...difference());
    if (result.differ >= 0 && result.differ < result.count) strip.choose(result.differ);
  }
  show("difference");
}

function difference() {
  const at = result.differ;
  const where = at < 0 ? "Every token is the same; what differs is below." : `The first token that is another one is token ${at}.`;
  return [el("h3", {}, "Where they part"), el("p", {}, where), el("div", { class: "sides" },
    el("div", {}, el("h4", {}, sheet.held.output === sheet.roots.output ? "The node claims" : "The receipt says"), el("p", { class: "said bad" }, plain(result.claimed) || visible(""))),
    el("div", {}, el("h4", {}, "The model computes"), el("p", { class: "said good" }, plain(result.output) || visible(""))))];
}

async function chain(title, note, asking) {
  $("chain-answer").replaceChildren(el("p", { class: "busy" }, "Asking"));
  try {
    const checks = await asking();
    $("chain-answer").replaceChildren(el("h3", {}, title), el("p", { class: "hint" }, note), el("ul", { class: "checks" }, ...checks.map(statement)));
  } catch (e) {
    $("chain-answer").replaceChildren(el("p", { class: "notice bad" }, plain(e.message)));
  }
}

/** The gateway's word; the path that it sends is kept for whoever asks the chain. */
async function gatewayWord() {
  const word = await askGateway(text, key);
  batch = word.batch;
  return word.checks;
}

async function chainWord(url) {
  if (!batch) await gatewayWord().catch(() => []); // without a path the chain still has verdicts
  return askChain(text, url, batch);
}

/** Fetches the receipt that the page's address names. */
async function open(id) {
  busy("Fetching the receipt");
  try {
    const reply = await fetch(`/v1/receipts/${encodeURIComponent(id)}`, { headers: { Accept: "text/plain", ...(key && { Authorization: `Bearer ${key}` }) } });
    show("key-form", reply.status === 401);
    if (reply.ok) return await check(await reply.text());
    const body = await reply.json().catch(() => null);
    problem("problem", body?.error?.message ?? `the gateway answered ${reply.status}`);
  } catch {
    problem("problem", "The gateway cannot be reached.");
  } finally {
    busy("");
  }
  show("intake");
}

function on(id, event, act) {
  $(id).addEventListener(event, (e) => {
    e.preventDefault();
    void act(e);
  });
}

/** The first file of an input, read; choosing the same one again counts, too. */
async function chosen(input, read) {
  const [file] = input.files;
  if (file) await read(file);
  input.value = "";
}

const largest = 64 << 20; // bytes of a file with a receipt
const take = async (file) => (file.size > largest ? problem("problem", "This file is too large for a receipt.") : check(await file.text()));

on("form", "submit", () => check($("text").value));
on("key-form", "submit", () => {
  key = $("key").value;
  return open(kept);
});
on("gateway-form", "submit", () => chain("As this gateway reports it", "The gateway's word.", gatewayWord));
on("rpc-form", "submit", () => chain("Asked by your browser", `The replies of ${$("rpc").value}, judged by the verifier here.`, () => chainWord($("rpc").value)));
on("compute", "click", () => compute({ url: `/models/${sheet.model}.elm`, key }));
on("cancel", "click", cancel);
$("file").addEventListener("change", (e) => chosen(e.target, take));
$("model-file").addEventListener("change", (e) => chosen(e.target, async (f) => compute({ file: new Uint8Array(await f.arrayBuffer()) })));
for (const event of ["dragover", "dragleave", "drop"]) {
  on("drop", event, (e) => {
    $("drop").classList.toggle("over", event === "dragover");
    const file = event === "drop" && e.dataTransfer.files[0];
    return file ? take(file) : undefined;
  });
}

if (kept) void open(kept);
else show("intake");
