#!/usr/bin/env node
// Compiles contracts/src and writes generated/<Name>.json: abi, creation and
// runtime bytecode of every deployable contract.
//
//   node contracts/build.mjs                     write generated/
//   node contracts/build.mjs --check             fail if generated/ is not what the sources give
//   node contracts/build.mjs --only src/a,src/b  only sources whose path begins so (never deletes)
import { readFileSync, readdirSync, rmSync, writeFileSync, mkdirSync, existsSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { solc, SETTINGS, VERSION } from './compiler.mjs';

const ROOT = dirname(fileURLToPath(import.meta.url));
const OUT = join(ROOT, 'generated');
const MAX_RUNTIME = 24576; // EIP-170

function sourcePaths(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sourcePaths(path);
    return entry.name.endsWith('.sol') ? [relative(ROOT, path).split(sep).join('/')] : [];
  }).sort();
}

function compile(paths) {
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(paths.map((p) => [p, { content: readFileSync(join(ROOT, p), 'utf8') }])),
    settings: {
      ...SETTINGS,
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
    },
  };
  const load = (path) => (existsSync(join(ROOT, path))
    ? { contents: readFileSync(join(ROOT, path), 'utf8') }
    : { error: `${path} not found` });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
  const messages = output.errors ?? [];
  for (const m of messages) process.stderr.write(m.formattedMessage);
  if (messages.some((m) => m.severity === 'error')) process.exit(1);
  return output.contracts;
}

function artifacts(contracts, paths) {
  const files = new Map();
  for (const path of paths) {
    for (const [name, c] of Object.entries(contracts[path] ?? {})) {
      const creation = c.evm.bytecode.object;
      const runtime = c.evm.deployedBytecode.object;
      const deployable = c.abi.some((e) => e.type !== 'error' && e.type !== 'event');
      if (creation === '' || !deployable) continue; // interface, abstract, internal library
      if (creation.includes('__$')) throw new Error(`${path}:${name} needs linking: make its libraries internal`);
      if (runtime.length / 2 > MAX_RUNTIME) {
        throw new Error(`${path}:${name} has ${runtime.length / 2} bytes of code, more than ${MAX_RUNTIME}`);
      }
      if (files.has(`${name}.json`)) throw new Error(`two contracts are named ${name}`);
      const doc = { name, source: path, compiler: VERSION, abi: c.abi, creation: `0x${creation}`, runtime: `0x${runtime}` };
      files.set(`${name}.json`, `${JSON.stringify(doc, null, 1)}\n`);
    }
  }
  return files;
}

function stale(files, whole) {
  const present = existsSync(OUT) ? readdirSync(OUT).filter((f) => f.endsWith('.json')) : [];
  const differs = [...files].filter(([f, text]) => !present.includes(f) || readFileSync(join(OUT, f), 'utf8') !== text);
  const orphans = whole ? present.filter((f) => !files.has(f)) : [];
  return { differs: differs.map(([f]) => f), orphans };
}

const args = process.argv.slice(2);
const only = args.includes('--only') ? args[args.indexOf('--only') + 1].split(',') : null;
const paths = sourcePaths(join(ROOT, 'src')).filter((p) => !only || only.some((prefix) => p.startsWith(prefix)));
const files = artifacts(compile(paths), paths);
const { differs, orphans } = stale(files, !only);
if (args.includes('--check')) {
  if (differs.length + orphans.length > 0) {
    console.error(`generated/ is stale (${[...differs, ...orphans].join(', ')}): run node contracts/build.mjs and commit`);
    process.exit(1);
  }
} else {
  mkdirSync(OUT, { recursive: true });
  for (const f of orphans) rmSync(join(OUT, f));
  for (const f of differs) writeFileSync(join(OUT, f), files.get(f));
}
for (const [f, text] of files) console.log(`${f.slice(0, -5)} ${(JSON.parse(text).runtime.length - 2) / 2} bytes`);
