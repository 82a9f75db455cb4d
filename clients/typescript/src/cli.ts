#!/usr/bin/env node
// elenchus-verify [--model FILE.elm [--secret FILE]] [--request FILE] [--text FILE] [--reasoning FILE] [--json] RECEIPT
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { openModel, parseSecret } from "./model.js";
import { verifyReceipt } from "./receipt.js";

const usage = "usage: elenchus-verify [--model FILE.elm [--secret FILE]] [--request FILE] [--text FILE] [--reasoning FILE] [--json] RECEIPT";
const codes = { holds: 0, false: 1, cannot: 2, pending: 3, unasked: 2 };

function main(): number {
  const { values: v, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      model: { type: "string" }, secret: { type: "string" }, request: { type: "string" }, text: { type: "string" }, reasoning: { type: "string" }, json: { type: "boolean" },
    },
  });
  if (positionals.length !== 1) throw new Error(usage);
  const read = (path: string | undefined): string | undefined => (path === undefined ? undefined : readFileSync(path, "utf8"));
  const model = v.model === undefined ? undefined : openModel(readFileSync(v.model), v.secret === undefined ? undefined : parseSecret(readFileSync(v.secret, "utf8")));
  const report = verifyReceipt(readFileSync(positionals[0], "utf8"), { model, request: read(v.request), text: read(v.text), reasoning: read(v.reasoning) });
  if (v.json) console.log(JSON.stringify(report));
  else {
    console.log(`claim ${report.claimId} of node ${report.node}\nmodel ${report.model}\nshown ${report.disclosure}`);
    for (const s of report.statements) console.log(`${s.outcome.padEnd(8)} ${s.name}${s.detail === "" ? "" : `: ${s.detail}`}`);
    if (report.notGiven !== "") console.log(`not given: ${report.notGiven}`);
    console.log(report.outcome);
  }
  return codes[report.outcome];
}

try {
  process.exitCode = main();
} catch (e) {
  console.error(`elenchus-verify: ${e instanceof Error ? e.message : String(e)}`);
  process.exitCode = 2;
}
