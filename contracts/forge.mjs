#!/usr/bin/env node
// Runs the forge of node_modules in this folder: `node contracts/forge.mjs test`.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch];
const system = { linux: 'linux', darwin: 'darwin', win32: 'win32' }[process.platform];
const exe = process.platform === 'win32' ? 'forge.exe' : 'forge';
const folder = dirname(createRequire(import.meta.url).resolve(`@foundry-rs/forge-${system}-${arch}/package.json`));
const run = spawnSync(join(folder, 'bin', exe), process.argv.slice(2), { cwd: root, stdio: 'inherit' });
process.exit(run.status ?? 1);
