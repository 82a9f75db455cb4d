#!/usr/bin/env node
// A native-looking solc for forge: answers --version and --standard-json with
// the compiler of the npm package. foundry.toml names it.
import { readFileSync } from 'node:fs';
import { solc } from './compiler.mjs';

if (process.argv.includes('--version')) {
  const version = solc.version().replace(/\.Emscripten\.clang$/, '.Linux.g++');
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${version}`);
} else if (process.argv.includes('--standard-json')) {
  const load = (path) => {
    try {
      return { contents: readFileSync(path, 'utf8') };
    } catch {
      return { error: `${path} not found` };
    }
  };
  process.stdout.write(solc.compile(readFileSync(0, 'utf8'), { import: load }));
} else {
  console.error('solc.mjs: give --version or --standard-json');
  process.exit(2);
}
