// The one place that says how the contracts are compiled: `build.mjs` and the
// compiler wrapper of forge (`solc.mjs`, foundry.toml) agree with it.
// Output is a function of the sources alone: the version is pinned, the
// metadata hash is left out of the bytecode, and paths are relative.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
export const solc = require('solc');

export const VERSION = '0.8.37';

export const SETTINGS = {
  optimizer: { enabled: true, runs: 1000 },
  viaIR: true,
  evmVersion: 'osaka',
  metadata: { bytecodeHash: 'none', appendCBOR: false },
};

if (!solc.version().startsWith(`${VERSION}+`)) {
  throw new Error(`compiler is ${solc.version()}, want ${VERSION}: run npm install in contracts/`);
}
