// Fails when the JavaScript of the first paint, or of one lazy route, weighs more than its budget (gzip).
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const KB = 1000;
const FIRST_PAINT = 230 * KB;
const LAZY_ROUTE = 120 * KB;
const here = dirname(fileURLToPath(import.meta.url));
const built = join(here, "../../src/loopwright/apps/static");

function readManifest() {
  try {
    return JSON.parse(readFileSync(join(built, ".vite/manifest.json"), "utf8"));
  } catch {
    console.error(`size: no build in ${built}\nhint: npm run build`);
    process.exit(2);
  }
}

const manifest = readManifest();
const weigh = (file) => gzipSync(readFileSync(join(built, file))).length;

function closure(key, seen = new Set()) {
  if (seen.has(key)) return seen;
  seen.add(key);
  for (const next of manifest[key].imports ?? []) closure(next, seen);
  return seen;
}

const sum = (keys) => [...keys].reduce((total, key) => total + weigh(manifest[key].file), 0);
const entryKey = Object.keys(manifest).find((key) => manifest[key].isEntry);
const first = closure(entryKey);
const rows = [["first paint", sum(first), FIRST_PAINT]];
for (const key of Object.keys(manifest).filter((each) => manifest[each].isDynamicEntry)) {
  const extra = [...closure(key)].filter((each) => !first.has(each));
  rows.push([key, sum(extra), LAZY_ROUTE]);
}

let failed = false;
for (const [name, size, budget] of rows) {
  const over = size > budget;
  failed ||= over;
  console.log(`${over ? "OVER" : "ok  "} ${(size / KB).toFixed(1).padStart(6)} / ${budget / KB} kB  ${name}`);
}
process.exit(failed ? 1 : 0);
