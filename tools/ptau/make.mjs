#!/usr/bin/env node
// Makes proving/step/testdata/powers4.ptau with snarkjs: 2^4 powers of a secret that two contributors made, for the
// test of the reader. It is for that test alone. Run where snarkjs 0.7.6 is installed (npm install snarkjs@0.7.6):
//
//   node tools/ptau/make.mjs OUT
import { createRequire } from "node:module";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "package.json"));
const { powersOfTau } = require("snarkjs");
const { getCurveFromName } = require("ffjavascript");
const curve = await getCurveFromName("bn128", { singleThread: true });
const at = (name) => join(folder, name);
const folder = mkdtempSync(join(tmpdir(), "ptau-"));
await powersOfTau.newAccumulator(curve, 4, at("0.ptau"));
await powersOfTau.contribute(at("0.ptau"), at("1.ptau"), "first", "entropy of a test");
await powersOfTau.contribute(at("1.ptau"), process.argv[2], "second", "other entropy of a test");
process.exit(0);
