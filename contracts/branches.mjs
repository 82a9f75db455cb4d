#!/usr/bin/env node
// Lists where the compiled contracts branch: for every JUMPI that an `if`, a loop, `&&`, `||` or `?:` of contracts/src became,
// and for every comparison in a condition, its place in the bytecode and its text in the source. `make mutation` reads it.
//
//   node contracts/branches.mjs FILE     write the list; fails where generated/ is not what the sources give
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { solc, SETTINGS } from './compiler.mjs';

const ROOT = dirname(fileURLToPath(import.meta.url));
const [JUMPI, PUSH1, PUSH32] = [0x57, 0x60, 0x7f];
const COMPARISONS = new Map([[0x10, 'lt'], [0x11, 'gt'], [0x12, 'slt'], [0x13, 'sgt']]);

const generated = new Map(readdirSync(join(ROOT, 'generated')).map((f) => {
  const doc = JSON.parse(readFileSync(join(ROOT, 'generated', f), 'utf8'));
  return [doc.name, doc];
}));

// All sources, in the order of build.mjs: the bytecode depends on which are compiled together.
function sourcePaths(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sourcePaths(path);
    return entry.name.endsWith('.sol') ? [relative(ROOT, path).split(sep).join('/')] : [];
  }).sort();
}

function compile() {
  const read = (path) => readFileSync(join(ROOT, path), 'utf8');
  const parts = ['object', 'sourceMap'].flatMap((p) => [`evm.bytecode.${p}`, `evm.deployedBytecode.${p}`]);
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(sourcePaths(join(ROOT, 'src')).map((p) => [p, { content: read(p) }])),
    settings: { ...SETTINGS, outputSelection: { '*': { '*': parts, '': ['ast'] } } },
  };
  const load = (path) => (existsSync(join(ROOT, path)) ? { contents: read(path) } : { error: `${path} not found` });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
  for (const m of output.errors ?? []) if (m.severity === 'error') throw new Error(m.formattedMessage);
  return output;
}

// The source ranges that are decisions: whole statements and their conditions.
function decisions(ast) {
  const found = new Map();
  const add = (src, kind) => found.set(src.split(':').slice(0, 2).join(':'), kind);
  const walk = (node) => {
    if (Array.isArray(node)) return node.forEach(walk);
    if (node === null || typeof node !== 'object') return;
    if (['IfStatement', 'ForStatement', 'WhileStatement', 'Conditional'].includes(node.nodeType)) {
      const kind = { IfStatement: 'if', Conditional: '?:' }[node.nodeType] ?? 'loop';
      add(node.src, kind);
      if (node.condition) add(node.condition.src, kind);
    }
    if (node.nodeType === 'BinaryOperation' && ['&&', '||'].includes(node.operator)) add(node.src, node.operator);
    if (node.nodeType === 'BinaryOperation' && ['<', '>', '<=', '>='].includes(node.operator)) found.set(`c${node.src.split(':').slice(0, 2).join(':')}`, node.operator);
    if (node.nodeType === 'InlineAssembly') assembly(node.AST);
    Object.values(node).forEach((v) => { if (v !== null && typeof v === 'object') walk(v); });
  };
  const assembly = (node) => {
    if (Array.isArray(node)) return node.forEach(assembly);
    if (node === null || typeof node !== 'object') return;
    if (node.nodeType === 'YulIf' || node.nodeType === 'YulForLoop') {
      add(node.src, node.nodeType === 'YulIf' ? 'if' : 'loop');
      add(node.condition.src, node.nodeType === 'YulIf' ? 'if' : 'loop');
    }
    if (node.nodeType === 'YulFunctionCall' && [...COMPARISONS.values()].includes(node.functionName.name)) found.set(`c${node.src.split(':').slice(0, 2).join(':')}`, node.functionName.name);
    Object.values(node).forEach(assembly);
  };
  walk(ast);
  return found;
}

// One entry per instruction: start, length, file; an empty field repeats the one before.
function places(map) {
  let [s, l, f] = ['0', '0', '-1'];
  return map.split(';').map((entry) => {
    const part = entry.split(':');
    [s, l, f] = [part[0] || s, part[1] || l, part[2] || f];
    return { range: `${s}:${l}`, file: Number(f) };
  });
}

function branches(code, map, files) {
  const bytes = Buffer.from(code, 'hex');
  const at = places(map);
  const list = [];
  for (let pc = 0, i = 0; pc < bytes.length && i < at.length; i += 1) {
    const op = bytes[pc];
    const file = files.get(at[i].file);
    const compares = COMPARISONS.has(op);
    const kind = file && (op === JUMPI || compares) && file.decisions.get((compares ? 'c' : '') + at[i].range);
    if (kind) {
      const [start, length] = at[i].range.split(':').map(Number);
      const text = file.bytes.subarray(start, start + length).toString().split(/\s+/).join(' ');
      const line = file.bytes.subarray(0, start).toString().split('\n').length;
      list.push({ pc, op: compares ? 'compare' : 'branch', kind, file: file.path, line, text: text.slice(0, 100) });
    }
    pc += 1 + (op >= PUSH1 && op <= PUSH32 ? op - PUSH1 + 1 : 0);
  }
  return list;
}

const output = compile();
const files = new Map(Object.entries(output.sources).map(([path, s]) => [s.id,
  { path, bytes: readFileSync(join(ROOT, path)), decisions: decisions(s.ast) }]));
const all = [];
const stale = [];
for (const { name, source, runtime, creation } of generated.values()) {
  const evm = output.contracts[source][name].evm;
  if (`0x${evm.deployedBytecode.object}` !== runtime || `0x${evm.bytecode.object}` !== creation) {
    stale.push(name);
    continue;
  }
  for (const [part, c] of [['runtime', evm.deployedBytecode], ['creation', evm.bytecode]]) {
    for (const b of branches(c.object, c.sourceMap, files)) all.push({ contract: name, part, ...b });
  }
}
if (stale.length > 0) throw new Error(`stale in generated/: ${stale.join(', ')}: run node contracts/build.mjs`);
writeFileSync(process.argv[2], `[\n${all.map((b) => JSON.stringify(b)).join(',\n')}\n]\n`);
console.log(`${all.length} branches and comparisons of ${generated.size} contracts`);
