// Walks through a running Loopwright as a person would, one named journey a run; fails with what was not there.
//
//   BASE_URL=http://127.0.0.1:8700 KEY=lw-... node scripts/journeys.mjs sign-in-by-key
//
// LOGIN_TOKEN is needed by sign-in-by-link only. tests/acceptance/test_browser.py runs them all.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const base = process.env.BASE_URL ?? "http://127.0.0.1:8700";
const key = process.env.KEY ?? "";
const ARGS = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const stamp = Date.now().toString(36);
const SCREENS = ["/", "/playground", "/datasets", "/knowledge", "/traces", "/settings"];

const auth = { authorization: `Bearer ${key}` };
const visible = (page, selector) => page.locator(selector).first().waitFor({ state: "visible" });

async function chat(page, content, extra = {}) {
  const answer = await page.request.post(`${base}/v1/chat/completions`, { headers: auth, data: { model: "builtin/echo", messages: [{ role: "user", content }], ...extra } });
  assert.ok(answer.ok(), `chat answered ${answer.status()}: ${await answer.text()}`);
  return answer.headers()["x-loopwright-trace-id"];
}

async function signIn(page, path = "/") {
  const answer = await page.request.post(`${base}/api/session`, { data: { key } });
  assert.ok(answer.ok(), `sign-in answered ${answer.status()}`);
  await page.goto(base + path);
  await visible(page, "h1");
}

/** Until the trace can be read: the drainer carries it to the lake within two seconds. */
async function landed(page, traceId) {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    if ((await page.request.get(`${base}/api/traces/${traceId}`, { headers: auth })).ok()) return;
    await page.waitForTimeout(200);
  }
  assert.fail(`trace ${traceId} never landed`);
}

async function unnamedControls(page) {
  return page.evaluate(() => {
    const named = (element) => {
      const labelled = element.getAttribute("aria-labelledby");
      const label = element.getAttribute("aria-label") || (labelled && document.getElementById(labelled.split(" ")[0])?.textContent) || [...(element.labels ?? [])].map((each) => each.textContent).join("");
      return (label || element.textContent || element.getAttribute("title") || "").trim() !== "";
    };
    return [...document.querySelectorAll("button, a[href], input, textarea, select")].filter((element) => !element.closest("[hidden], [aria-hidden=true], [inert]") && element.type !== "file" && element.type !== "hidden" && !named(element)).map((element) => element.outerHTML.slice(0, 200));
  });
}

const journeys = {
  async "sign-in-by-link"(page) {
    await page.goto(`${base}/?login=${process.env.LOGIN_TOKEN}`);
    await visible(page, "nav.rail");
    assert.ok(!page.url().includes("login"), `the token stays in the address: ${page.url()}`);
    assert.ok(!(await page.evaluate(() => document.cookie)).includes("session"), "scripts can read the session cookie");
  },

  async "sign-in-by-key"(page) {
    await page.goto(`${base}/traces?status=error`);
    await page.getByLabel("API key").fill("lw-not-a-key");
    await page.keyboard.press("Enter");
    await visible(page, "[role=alert]");
    await page.getByLabel("API key").fill(key);
    await page.keyboard.press("Enter");
    await visible(page, "nav.rail");
    assert.ok(page.url().endsWith("/traces?status=error"), "signing in loses where one wanted to go");
    assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes("lw-")), false, "the key is kept beyond the tab");
    await page.goto(`${base}/settings`);
    await page.getByText(`OPENAI_API_KEY=${key}`).waitFor();
  },

  async "first-trace-arrives"(page) {
    await signIn(page);
    await page.getByText("Send your first request").waitFor();
    await page.getByRole("button", { name: "Create a key" }).click();
    await page.getByText(/OPENAI_API_KEY=lw-/).waitFor();
    await chat(page, `first ${stamp}`);
    await page.getByRole("link", { name: `first ${stamp}` }).waitFor({ timeout: 10_000 });
  },

  async "live-traces-wait"(page) {
    await landed(page, await chat(page, `before ${stamp}`));
    await signIn(page, "/traces");
    await visible(page, ".table-body a");
    await page.waitForTimeout(1000);
    await chat(page, `live ${stamp}`);
    await page.getByRole("button", { name: /^\d+ new$/ }).click({ timeout: 10_000 });
    await page.getByRole("link", { name: `live ${stamp}` }).waitFor();
  },

  async "peek-by-keyboard"(page) {
    for (const name of ["one", "two", "three"]) await landed(page, await chat(page, `peek ${name} ${stamp}`));
    await signIn(page, `/traces?q=${stamp}`);
    await visible(page, ".table-body a");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByText(`peek three ${stamp}`).first().waitFor();
    await page.keyboard.press("j");
    await page.getByRole("dialog").getByText(`peek two ${stamp}`).first().waitFor();
    await page.keyboard.press("k");
    await page.getByRole("dialog").getByText(`peek three ${stamp}`).first().waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("tree").waitFor();
    assert.match(page.url(), /\/traces\/[0-9a-f]{32}/);
  },

  async "feedback-to-dataset"(page) {
    const traceId = await chat(page, `keep ${stamp}`, { user: `user-${stamp}` });
    await chat(page, `leave ${stamp}`, { user: `user-${stamp}` });
    await landed(page, traceId);
    await signIn(page, `/traces/${traceId}`);
    await page.getByRole("button", { name: "Good answer" }).click();
    await page.getByText("Feedback saved").waitFor({ state: "attached" });
    await page.goto(`${base}/traces?user_id=user-${stamp}&feedback=up`);
    await page.getByRole("link", { name: `keep ${stamp}` }).waitFor();
    assert.equal(await page.getByRole("link", { name: `leave ${stamp}` }).count(), 0);
    await page.getByRole("button", { name: "Make dataset from this filter" }).click();
    await page.getByText("1 row would be kept").waitFor();
    await page.getByLabel("Dataset name").fill(`good-${stamp}`);
    await page.getByRole("button", { name: "Make version with 1 row" }).click();
    await page.getByRole("link", { name: `Open good-${stamp}` }).click();
    await page.getByRole("link", { name: `keep ${stamp}` }).click();
    await page.getByRole("dialog").getByRole("link", { name: /Open trace/ }).waitFor();
    const exported = await page.request.get(`${base}/api/datasets/good-${stamp}/versions/1/export`);
    assert.equal((await exported.text()).trim().split("\n").length, 1);
  },

  async "cited-answer"(page) {
    const name = `kb-${stamp}`;
    await signIn(page, "/knowledge");
    await page.getByRole("button", { name: "Create knowledge base" }).click();
    await page.getByLabel("Name", { exact: true }).fill(name);
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "Choose files" }).click()]);
    const fact = "The tide clock in the harbour of Velm is wound every third Tuesday by the keeper of the lighthouse.";
    await chooser.setFiles([{ name: "harbour.md", mimeType: "text/markdown", buffer: Buffer.from(`# Harbour\n\n${fact}\n\n# Mill\n\nThe mill grinds barley in winter.\n`) }]);
    await page.getByRole("button", { name: "Upload 1 file and build" }).click();
    await page.getByRole("tab", { name: "Assistants" }).click();
    await page.getByText("ready", { exact: true }).waitFor({ timeout: 60_000 });
    await page.getByRole("button", { name: "Make assistant and ask it" }).click();
    await page.waitForURL(/playground/);
    // The gateway notices a new endpoint a moment after it was made.
    await page.waitForTimeout(2000);
    await page.getByLabel("Message").fill("Who winds the tide clock in the harbour of Velm?");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Open source 1" }).first().click({ timeout: 30_000 });
    const marked = page.locator(".passage[data-marked]");
    await marked.waitFor();
    assert.ok((await marked.textContent()).includes("every third Tuesday"), "the marked passage is not the one that was cited");
    await page.keyboard.press("Escape");
    await page.getByRole("link", { name: "Open trace" }).click();
    await page.getByRole("treeitem").nth(1).waitFor();
  },

  async "replay-in-playground"(page) {
    const traceId = await chat(page, `again ${stamp}`, { temperature: 0.3 });
    await landed(page, traceId);
    await signIn(page, `/traces/${traceId}`);
    await page.getByRole("link", { name: "Open in playground" }).click();
    await page.waitForFunction((wanted) => document.querySelector(".composer textarea")?.value === wanted, `again ${stamp}`);
    assert.equal(await page.getByLabel("Temperature").inputValue(), "0.3");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByRole("link", { name: "Open trace" }).waitFor();
  },

  async "hostile-text-stays-text"(page) {
    const hostile = `<img src=x onerror="window.owned=1"><script>window.owned=1</script> [x](javascript:window.owned=1) ${stamp}`;
    const traceId = await chat(page, hostile);
    await landed(page, traceId);
    await signIn(page, `/traces/${traceId}`);
    await page.getByRole("tree").waitFor();
    await page.goto(`${base}/playground?trace=${traceId}`);
    await page.waitForFunction(() => document.querySelector(".composer textarea")?.value.includes("onerror"));
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByRole("link", { name: "Open trace" }).waitFor();
    assert.equal(await page.evaluate(() => window.owned), undefined);
    assert.equal(await page.locator("main img, main script, a[href^='javascript']").count(), 0);
  },

  async "keyboard-and-names"(page) {
    await landed(page, await chat(page, `named ${stamp}`));
    await signIn(page);
    for (const path of SCREENS) {
      await page.goto(base + path);
      await visible(page, "h1");
      await page.waitForTimeout(500);
      assert.deepEqual(await unnamedControls(page), [], `controls without a name on ${path}`);
      assert.equal(await page.locator("main").count(), 1, `one main landmark on ${path}`);
      assert.equal(await page.locator("h1").count(), 1, `one h1 on ${path}`);
      for (let press = 0; press < 12; press += 1) {
        await page.keyboard.press("Tab");
        const shown = await page.evaluate(() => {
          const element = document.activeElement;
          if (!element || element === document.body) return true;
          const rings = [element, element.parentElement, element.nextElementSibling].filter(Boolean).map((each) => getComputedStyle(each).outlineStyle);
          return [...rings, getComputedStyle(element, "::after").outlineStyle].some((style) => style !== "none");
        });
        assert.ok(shown, `focus cannot be seen at stop ${press + 1} on ${path}: ${await page.evaluate(() => document.activeElement.outerHTML.slice(0, 200))}`);
      }
    }
    await page.locator("body").click({ position: { x: 700, y: 790 } });
    await page.keyboard.press("g");
    await page.keyboard.press("t");
    await page.waitForURL(/\/traces/);
    await page.keyboard.press("Control+k");
    await page.getByRole("searchbox", { name: /Go to/ }).waitFor();
    await page.keyboard.type("Knowl");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/knowledge/);
    await page.keyboard.press("?");
    await page.getByRole("dialog").getByText("Keyboard").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  },

  async "narrow-window"(page) {
    await landed(page, await chat(page, "unbroken".repeat(200)));
    await page.setViewportSize({ width: 400, height: 800 });
    await signIn(page);
    for (const path of SCREENS) {
      await page.goto(base + path);
      await visible(page, "h1");
      await page.waitForTimeout(500);
      const over = await page.evaluate(() => document.querySelector("main").scrollWidth - document.querySelector("main").clientWidth);
      assert.ok(over <= 0, `${path} is ${over} px too wide`);
    }
  },

  async spanish(page) {
    await signIn(page, "/settings?tab=appearance");
    await page.getByLabel("Español").check({ force: true });
    await page.getByRole("link", { name: "Trazas" }).first().waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), "es");
    await page.reload();
    await page.getByRole("heading", { name: "Ajustes" }).waitFor();
  },
};

async function run(name) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium", args: ARGS });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-US", reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => message.type() === "error" && /Content Security Policy|Warning:/.test(message.text()) && faults.push(message.text()));
  try {
    await journeys[name](page);
    assert.deepEqual(faults, [], "the page threw, or broke its own content security policy");
  } catch (error) {
    if (process.env.OUT) await page.screenshot({ path: `${process.env.OUT}/${name}.png` });
    throw error;
  } finally {
    await browser.close();
  }
}

const wanted = process.argv[2] ?? "";
if (wanted === "--list") console.log(Object.keys(journeys).join("\n"));
else if (!(wanted in journeys)) {
  console.error(`no journey ${JSON.stringify(wanted)}\nhint: node scripts/journeys.mjs --list`);
  process.exit(2);
} else await run(wanted);
