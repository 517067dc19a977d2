// Writes ../testdata/reference.json: what the reference says of texts that
// reference_test.go makes in the same way. Takes a minute.
//
//	npm install --no-package-lock && node reference.mjs
import { writeFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { get_encoding } from "tiktoken";

const encodings = Object.fromEntries(["o200k_base", "cl100k_base"].map((name) => [name, get_encoding(name)]));
const ordinary = (encoding, text) => encoding.encode(text, [], []);

const codePoints = {};
for (const [name, encoding] of Object.entries(encodings)) {
  codePoints[name] = [];
  for (let plane = 0; plane <= 16; plane++) {
    let count = 0, crc = 0;
    for (let r = plane << 16; r < (plane + 1) << 16; r++) {
      if (r >= 0xd800 && r < 0xe000) continue;
      const c = String.fromCodePoint(r);
      const ids = ordinary(encoding, `${c}Fox ${c}\n \n${c}123`);
      count += ids.length;
      crc = crc32(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength), crc);
    }
    codePoints[name].push({ Count: count, CRC: crc });
  }
}

const runs = ["a", " ", "\n", "\t", "=", "中", "😀", "0", "aB+/", "\n ", "ab", "\u3000", "é", "👩‍👩‍👧‍👦", "न्त्", "เปดิ", "tttT", "\u0301"].map((text) => ({
  Text: text,
  Repeat: 4999,
  Counts: Object.fromEntries(Object.entries(encodings).map(([name, e]) => [name, ordinary(e, text.repeat(4999)).length])),
}));

writeFileSync(new URL("../testdata/reference.json", import.meta.url), JSON.stringify({ CodePoints: codePoints, Runs: runs }, null, 1) + "\n");
