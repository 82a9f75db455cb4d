#!/usr/bin/env node
// Compares the Groth16 prover with snarkjs 0.7.6 on the same circuit and witness: processor time of all threads, from
// the inputs on for elenchus, from the solved witness on for snarkjs; medians of alternating runs, after one that does
// not count. Both proofs are verified. Run where snarkjs is installed (npm install --ignore-scripts snarkjs@0.7.6):
//
//   node tools/snarkjs/compare.mjs ELENCHUS OP [RUNS]
import { createRequire } from "node:module";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "package.json"));
const { powersOfTau, zKey, wtns, groth16 } = require("snarkjs");
const { getCurveFromName } = require("ffjavascript");
const [binary, op, runs = "5"] = process.argv.slice(2);
if (!binary || !op || !(Number(runs) > 0)) {
  console.error("usage: compare.mjs ELENCHUS OP [RUNS]");
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "snarkjs-"));
const at = (name) => join(folder, name);
const say = (text) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);

function ours() {
  const out = execFileSync(binary, ["circuit", "--op", op, "--system", "groth16", "--export", folder, "--json"], { encoding: "utf8" });
  return JSON.parse(out).answers[0];
}

// Keys of snarkjs for the exported circuit: of powers that are made here, and prove nothing to others.
async function keys(constraints) {
  let power = 1;
  while (2 ** power < constraints + 4) power++; // snarkjs adds a constraint for each public input and the constant
  const curve = await getCurveFromName("bn128");
  say(`2^${power} powers`);
  await powersOfTau.newAccumulator(curve, power, at("0.ptau"));
  await powersOfTau.contribute(at("0.ptau"), at("1.ptau"), "first", "entropy of a measurement");
  await powersOfTau.preparePhase2(at("1.ptau"), at("2.ptau"));
  say("proving key");
  await zKey.newZKey(at("circuit.r1cs"), at("2.ptau"), at("0.zkey"));
  await zKey.contribute(at("0.zkey"), at("1.zkey"), "first", "other entropy of a measurement");
  return zKey.exportVerificationKey(at("1.zkey"));
}

async function theirs(key) {
  const before = process.cpuUsage();
  const { proof, publicSignals } = await groth16.prove(at("1.zkey"), at("witness.wtns"));
  const used = process.cpuUsage(before);
  if (!(await groth16.verify(key, publicSignals, proof))) throw new Error("snarkjs refuses its own proof");
  return (used.user + used.system) / 1000;
}

const median = (x) => [...x].sort((a, b) => a - b)[Math.floor(x.length / 2)];
try {
  const first = ours();
  if (!(await wtns.check(at("circuit.r1cs"), at("witness.wtns")))) throw new Error("snarkjs refuses the witness");
  const key = await keys(first.constraints);
  await theirs(key);
  const mine = [], other = [];
  for (let i = 0; i < Number(runs); i++) {
    mine.push(ours().prove_cpu_ms);
    // ours() wrote another witness, of the same inputs
    other.push(await theirs(key));
    say(`run ${i + 1}: elenchus ${mine[i].toFixed(0)} ms, snarkjs ${other[i].toFixed(0)} ms`);
  }
  const [a, b] = [median(mine), median(other)];
  console.log(JSON.stringify({ op, constraints: first.constraints, runs: mine.length, elenchus_cpu_ms: a, snarkjs_cpu_ms: b, ratio: b / a }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
