// Takes pictures of every screen at 1280 and 400 px, light and dark, from a running Loopwright.
//
//   BASE_URL=http://127.0.0.1:8700 LOGIN=<api key or login token> OUT=/tmp/shots node scripts/screenshots.mjs
//
// SCREENS=traces,trace takes only those; CHROMIUM_BIN names another browser. It fails when a page scrolls sideways
// or writes an error to the console.
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";

const base = process.env.BASE_URL ?? "http://127.0.0.1:8700";
const login = process.env.LOGIN ?? "";
const out = process.env.OUT ?? ".screenshots";
const only = process.env.SCREENS?.split(",");
const ARGS = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const SETTLE_MS = 600;

async function signIn(context) {
  const answer = await context.request.post(`${base}/api/session`, { data: { key: login } });
  if (answer.ok()) return;
  const byToken = await context.request.post(`${base}/api/session`, { data: { login_token: login } });
  if (!byToken.ok()) throw new Error(`sign-in refused: ${byToken.status()} ${await byToken.text()}`);
}

async function firstOf(context, path) {
  const answer = await context.request.get(base + path);
  return answer.ok() ? (await answer.json()).items[0] : undefined;
}

/** The traces worth a picture: the one with most spans, and one that failed. */
async function findSubjects(context) {
  const list = await context.request.get(`${base}/api/traces?limit=100`);
  const traces = list.ok() ? (await list.json()).items : [];
  const deepest = traces.reduce((best, trace) => (!best || trace.span_count > best.span_count ? trace : best), undefined);
  return { deepest, failed: traces.find((trace) => trace.status === "error"), dataset: await firstOf(context, "/api/datasets"), base: await firstOf(context, "/api/knowledge-bases") };
}

function screensFor({ deepest, failed, dataset, base: knowledge }) {
  const screens = { home: "/", playground: "/playground", traces: "/traces", datasets: "/datasets", knowledge: "/knowledge", settings: "/settings", appearance: "/settings?tab=appearance" };
  if (deepest) Object.assign(screens, { peek: `/traces?peek=${deepest.trace_id}`, trace: `/traces/${deepest.trace_id}`, replay: `/playground?trace=${deepest.trace_id}` });
  if (failed) screens.failed = `/traces/${failed.trace_id}`;
  if (dataset) screens.dataset = `/datasets/${dataset.name}`;
  if (knowledge) Object.assign(screens, { "knowledge-base": `/knowledge/${knowledge.name}?q=install`, documents: `/knowledge/${knowledge.name}?tab=documents` });
  return Object.entries(screens).filter(([name]) => !only || only.includes(name));
}

async function shoot(page, name, path, label, faults) {
  await page.goto(base + path, { waitUntil: "load" });
  await page.waitForTimeout(SETTLE_MS);
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (sideways > 0) faults.push(`${name} ${label}: ${sideways} px wider than the window`);
  await page.screenshot({ path: `${out}/${name}-${label}.png` });
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium", args: ARGS });
const faults = [];
mkdirSync(out, { recursive: true });
try {
  for (const width of [1280, 400]) {
    for (const scheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme: scheme, reducedMotion: "reduce" });
      const label = `${width}-${scheme}`;
      const page = await context.newPage();
      page.on("pageerror", (error) => faults.push(`${page.url()} ${label}: ${error.message}`));
      page.on("console", (message) => message.type() === "error" && faults.push(`${page.url()} ${label}: ${message.text()}`));
      if (!only || only.includes("signin")) {
        await page.goto(base, { waitUntil: "load" });
        await page.waitForTimeout(SETTLE_MS);
        await page.screenshot({ path: `${out}/signin-${label}.png` });
        // The browser itself reports the 401 that shows nobody is signed in yet.
        faults.length = 0;
      }
      await signIn(context);
      for (const [name, path] of screensFor(await findSubjects(context))) await shoot(page, name, path, label, faults);
      await context.close();
    }
  }
} finally {
  await browser.close();
}
for (const fault of faults) console.error(fault);
console.log(`pictures in ${out}`);
process.exit(faults.length > 0 ? 1 : 0);
