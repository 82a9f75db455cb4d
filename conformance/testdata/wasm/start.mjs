// Starts the modules for browsers in Node, as the page's worker does in a browser.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { join } from "node:path";
import { runInThisContext } from "node:vm";

export const [, , modules, page, ...args] = process.argv;

/** The bytes of a module. */
export function bytes(name) {
  return gunzipSync(readFileSync(join(modules, name + ".gz")));
}

/** The class that runs modules, from the support file. */
export function support() {
  runInThisContext(bytes("wasm_exec.js").toString());
  return globalThis.Go;
}
