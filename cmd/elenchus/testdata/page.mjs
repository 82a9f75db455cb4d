// Drives the page that checks receipts in Chromium. Arguments: the folder of node modules, Chromium, JSON {gateway, rpc, cases: [{name,
// receipt, id}], shots}. Prints for each case what a person sees; a fault of the page or of its policy is one of the errors.
import { createRequire } from "node:module";
import { join } from "node:path";

const [, , modules, executablePath, input] = process.argv;
const { chromium } = createRequire(join(modules, "x.js"))("playwright-core");
const { gateway, rpc, cases, shots, corpus } = JSON.parse(input);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const patience = { timeout: 240_000 };
const out = [];

async function look(page, name) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  return page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
}

/** Verifies a corpus of forged proofs in the page, under its policy: verdicts by case, and milliseconds of the true one. */
async function verifyCorpus() {
  const page = await browser.newPage();
  await page.goto(`${gateway}/receipts`, patience);
  return page.evaluate(async (corpus) => {
    await import("/check/wasm_exec.js");
    const { startProof } = await import("/check/proof.js");
    const verifyProof = await startProof(globalThis.Go, await WebAssembly.compileStreaming(fetch("/check/proof.wasm")));
    const hex = (text) => Uint8Array.from(text.match(/../g) ?? [], (x) => parseInt(x, 16));
    const key = hex(corpus.key);
    const verify = ({ name, want, proof, key: other, ...statement }) => verifyProof(other ? hex(other) : key, statement, hex(proof));
    const wrong = corpus.cases.filter((c) => verify(c) !== c.want).map((c) => c.name);
    const truth = corpus.cases.find((c) => c.want === "");
    const millis = Array.from({ length: 12 }, () => {
      const start = performance.now();
      if (verify(truth) !== "") wrong.push("the true one, later");
      return performance.now() - start;
    });
    return { cases: corpus.cases.length, wrong, millis };
  }, corpus);
}

for (const [i, { name, receipt, id }] of cases.entries()) {
  const phone = i % 2 === 1;
  const context = await browser.newContext({ colorScheme: phone ? "dark" : "light", viewport: { width: phone ? 390 : 1280, height: 900 } });
  const page = await context.newPage();
  const seen = { name, errors: [], outside: [] };
  out.push(seen);
  page.on("pageerror", (e) => seen.errors.push(e.message));
  page.on("console", (m) => m.type() === "error" && seen.errors.push(m.text()));
  page.on("request", (r) => ![gateway, rpc].some((own) => own && r.url().startsWith(own)) && seen.outside.push(r.url()));
  page.on("dialog", (d) => seen.errors.push(`dialog ${d.message()}`) && d.dismiss());
  await page.goto(id ? `${gateway}/receipts/${id}` : `${gateway}/receipts`, patience);
  if (!id) {
    await page.fill("#text", receipt);
    await page.focus("#text");
    await page.keyboard.press("Tab"); // to the button, as without a mouse
    await page.keyboard.press("Enter");
  }
  await page.waitForSelector("#report:not([hidden]), #problem:not([hidden])", patience);
  seen.problem = (await page.isVisible("#problem")) ? await page.innerText("#problem") : "";
  if (seen.problem === "") {
    seen.before = await page.innerText("#verdict-title");
    seen.wide = await look(page, `${name}-before`);
    await page.click("#compute");
    await page.waitForSelector("#difference:not([hidden]), #again-problem:not([hidden])", patience);
    seen.after = await page.innerText("#verdict-title");
    seen.why = await page.innerText("#verdict-why");
    seen.tokens = await page.locator("button.cell").count();
    seen.seals = await page.locator("#tree .seal.holds").count();
    seen.broken = await page.locator("#tree .seal.false").count();
    seen.chosen = await page.locator("button.cell[aria-selected=true]").count();
    seen.difference = await page.innerText("#difference");
    await page.locator("button.cell").first().focus();
    await page.keyboard.press("ArrowRight");
    seen.walked = await page.innerText("#token .token-title");
    await page.click("#gateway-form button");
    await page.waitForSelector("#chain-answer .checks, #chain-answer .bad", patience);
    seen.word = await page.innerText("#chain-answer");
    if (rpc) {
      await page.fill("#rpc", rpc);
      await page.click("#rpc-form button");
      await page.waitForFunction(() => !document.querySelector("#chain-answer .busy"), undefined, patience);
      seen.chain = await page.innerText("#chain-answer");
    }
    seen.wide ||= await look(page, name);
  }
  await context.close();
}
const proofs = await verifyCorpus();
await browser.close();
process.stdout.write(JSON.stringify({ looks: out, proofs }));
