#!/usr/bin/env node
// Measures how many faults of the contracts the forge tests find: it changes one condition at a time in a
// copy of the sources and runs the tests of games until one fails.
//
//   node contracts/mutate.mjs [--seed 1] [--count 20] [--minutes 10] [--files Verdicts,ClaimBook] [--list]
//
// A mutant negates or drops an `if (...) revert`, or moves a comparison by one (< and <=, > and >=). It
// prints every survivor, and the score: mutants that a test found, of those that compile. --list only lists.
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = dirname(fileURLToPath(import.meta.url));
const { values: opt } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' }, count: { type: 'string', default: '20' },
    minutes: { type: 'string', default: '10' }, files: { type: 'string' }, list: { type: 'boolean' },
  },
});

// Sources whose conditions decide about games and money; evaluators have vectors of their own.
const FILES = ['DisputeArena', 'Verdicts', 'StakeVault', 'ClaimBook', 'OpenRules', 'GameRules', 'AnswerRules', 'NodeRegistry'];

/** The end of the bracket that opens at `at`. */
function closing(text, at) {
  for (let depth = 0, i = at; i < text.length; i += 1) {
    if (text[i] === '(') depth += 1;
    if (text[i] === ')') depth -= 1;
    if (depth === 0) return i;
  }
  throw new Error(`no end of the bracket at ${at}`);
}

const SHIFT = { '<': '<=', '<=': '<', '>': '>=', '>=': '>' };

/** Every mutant of a source: what it does, and the text that has it. */
function mutantsOf(name) {
  const path = `src/${name}.sol`;
  const text = readFileSync(join(ROOT, path), 'utf8');
  const out = [];
  const add = (from, to, by, what) => {
    const line = text.slice(0, from).split('\n').length;
    out.push({ path, what: `${path}:${line}: ${what}`, text: text.slice(0, from) + by + text.slice(to) });
  };
  for (const m of text.matchAll(/\bif \(/g)) {
    const open = m.index + 3;
    const end = closing(text, open);
    const condition = text.slice(open + 1, end);
    const brief = condition.replace(/\s+/g, ' ');
    add(open + 1, end, `!(${condition})`, `negated: ${brief}`);
    if (/^\)\s*\{?\s*revert\b/.test(text.slice(end))) add(open + 1, end, `false && (${condition})`, `dropped: ${brief}`);
    for (const c of condition.matchAll(/(?<![<>=-])(<=|>=|<|>)(?![<>=])/g)) {
      const at = open + 1 + c.index;
      add(at, at + c[0].length, SHIFT[c[0]], `${c[0]} became ${SHIFT[c[0]]}: ${brief}`);
    }
  }
  return out;
}

/** A generator of numbers below n that a seed fixes (xorshift32). */
function seeded(seed) {
  let x = (seed * 2654435761) >>> 0 || 1;
  return (n) => {
    x ^= x << 13; x >>>= 0; x ^= x >>> 17; x ^= x << 5; x >>>= 0;
    return x % n;
  };
}

function shuffle(list, seed) {
  const pick = seeded(seed);
  for (let i = list.length - 1; i > 0; i -= 1) {
    const k = pick(i + 1);
    [list[i], list[k]] = [list[k], list[i]];
  }
  return list;
}

/** A copy of the folder that may be changed. */
function copy() {
  const dir = mkdtempSync(join(tmpdir(), 'elenchus-mutants-'));
  for (const name of ['src', 'test', 'foundry.toml', 'compiler.mjs', 'solc.mjs', 'package.json']) {
    cpSync(join(ROOT, name), join(dir, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules')); // the copy goes when the run ends
  for (const name of readdirSync(join(dir, 'test'))) { // only the tests of games are run
    if (name.endsWith('.t.sol')) rmSync(join(dir, 'test', name));
  }
  rmSync(join(dir, 'test/arena/Gas.t.sol'), { force: true }); // gas is not what a mutant must keep
  return dir;
}

const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch];
const system = { linux: 'linux', darwin: 'darwin' }[process.platform];
const forge = join(dirname(createRequire(import.meta.url).resolve(`@foundry-rs/forge-${system}-${arch}/package.json`)), 'bin/forge');

/** What the tests say of the sources in dir: passed, failed, or not compiled. */
function judge(dir) {
  const run = spawnSync(forge, ['test', '--root', dir, '--match-path', 'test/arena/*', '--fail-fast'], {
    cwd: dir, encoding: 'utf8', maxBuffer: 1 << 28, // foundry.toml names the compiler by a relative path
    env: { ...process.env, FOUNDRY_DYNAMIC_TEST_LINKING: 'true', FOUNDRY_INVARIANT_RUNS: '2', FOUNDRY_FUZZ_RUNS: '8' },
  });
  if (run.status === 0) return 'passed';
  return /Suite result|\[FAIL/.test(run.stdout + run.stderr) ? 'failed' : 'not compiled';
}

function main() {
  const names = opt.files === undefined ? FILES : opt.files.split(',');
  const all = shuffle(names.flatMap(mutantsOf), Number(opt.seed));
  if (opt.list) {
    for (const m of all) console.log(m.what);
    return console.log(`${all.length} mutants`);
  }
  const dir = copy();
  const until = Date.now() + Number(opt.minutes) * 60_000;
  const count = { failed: 0, passed: 0, 'not compiled': 0 };
  try {
    const whole = judge(dir);
    if (whole !== 'passed') throw new Error(`the tests of the unchanged contracts: ${whole}`);
    for (const m of all.slice(0, Number(opt.count))) {
      if (Date.now() > until) break;
      const path = join(dir, m.path);
      const before = readFileSync(path, 'utf8');
      writeFileSync(path, m.text);
      const said = judge(dir);
      writeFileSync(path, before);
      count[said] += 1;
      console.log(`${said === 'passed' ? 'SURVIVES' : said === 'failed' ? 'found' : 'no code'}  ${m.what}`);
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
  const tried = count.failed + count.passed;
  console.log(`seed ${opt.seed}: ${count.failed} of ${tried} mutants found (${all.length} there are), ${count['not compiled']} do not compile`);
}

main();
