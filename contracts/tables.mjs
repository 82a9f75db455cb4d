#!/usr/bin/env node
// Writes src/libraries/Exp2Table.sol from the definition of SPEC 01 §3.6:
// T[k] is the integer with (2T-1)^256 <= 2^(256*31 + k) < (2T+1)^256.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function entry(k) {
  const want = 1n << BigInt(256 * 31 + k);
  let lo = 1n << 30n;
  let hi = 1n << 31n;
  while (lo < hi) { // least T with want < (2T+1)^256
    const mid = (lo + hi) / 2n;
    if (want < (2n * mid + 1n) ** 256n) hi = mid;
    else lo = mid + 1n;
  }
  if ((2n * lo - 1n) ** 256n > want) throw new Error(`no T[${k}]`);
  return lo;
}

const rows = [];
for (let k = 0; k <= 256; k += 8) {
  const row = [];
  for (let j = k; j < k + 8 && j <= 256; j++) row.push(entry(j).toString(16).padStart(8, '0'));
  rows.push(`        hex"${row.join('')}"`);
}
const text = `// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice 2^(k/256) in Q30 for k = 0..256, four bytes each, big-endian (SPEC 01 §3.6).
/// @dev Written by \`node contracts/tables.mjs\`; do not edit.
library Exp2Table {
    bytes internal constant ENTRIES =
${rows.join('\n')};
}
`;
writeFileSync(join(dirname(fileURLToPath(import.meta.url)), 'src/libraries/Exp2Table.sol'), text);
