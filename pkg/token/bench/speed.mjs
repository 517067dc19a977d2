// Prints how many megabytes of a file the reference encodes in a second of
// processor time, and how many tokens it has: node speed.mjs ENCODING FILE
import { readFileSync } from "node:fs";
import { get_encoding } from "tiktoken";

const encoding = get_encoding(process.argv[2]);
const text = readFileSync(process.argv[3], "utf8");
encoding.encode(text.slice(0, 100_000), [], []); // warm
const begin = process.cpuUsage();
const tokens = encoding.encode(text, [], []).length;
const { user, system } = process.cpuUsage(begin);
console.log(Buffer.byteLength(text) / (user + system), tokens);
