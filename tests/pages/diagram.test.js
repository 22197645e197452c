// The page of the diagram in a real browser: every edge in the list, the drawing reached by keyboard, on paper, on a phone and without its script.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { start } from "./browser.js";
import { here, said } from "./program.js";
import { SCHEMES, WIDTHS, complaints, hidden, opened, overflow, shown } from "./tab.js";

const ROWS = "[data-item=edge]";
let browser, folder, page, graph;

const open = (options, file = page) => opened(browser, file, options);
const draw = (args) => ["html", "json"].map((form) => said(["diagram", ...args, "-o", form]));

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "pcizone-diagram-"));
  page = join(folder, "diagram.html");
  const base = join(folder, "base.yaml");
  writeFileSync(base, readFileSync(join(here, "cluster.yaml"), "utf8").replace("name: customers", "name: clients"));
  const [html, json] = draw(["-f", "cluster.yaml", "--as-is", "--base", base]);
  writeFileSync(page, html);
  graph = JSON.parse(json);
  browser = await start();
});

after(async () => {
  await browser?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("it is quiet, asks for nothing, and runs no script of others", async () => {
  const hostile = join(folder, "hostile.html");
  writeFileSync(hostile, said(["diagram", "-f", "hostile.yaml", "-o", "html"]));
  for (const file of [page, hostile]) {
    const { tab, wrong, close } = await open({}, file);
    await tab.waitForTimeout(200);
    assert.deepEqual(wrong, []);
    assert.ok((await tab.textContent("main")).includes("<script>"), "markup of others stays text");
    await tab.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "window.injected = true";
      document.body.append(script);
    }).catch(() => {});
    assert.equal(await tab.evaluate(() => window.injected), undefined);
    assert.ok(wrong.some((line) => line.includes("Content Security Policy")), wrong.join("\n"));
    await close();
  }
});

test("list, legend and drawing have every edge", async () => {
  const { tab, close } = await open();
  const rows = await tab.$$eval(ROWS, (all) => all.map((row) => [...row.cells].slice(0, 4).map((cell) => cell.textContent)));
  assert.deepEqual(rows, graph.edges.map(({ from, to, ports }, number) => [String(number + 1), from, to, ports]));
  const legend = await tab.$$eval(".legend li", (all) => all.map((one) => Number(one.lastChild.textContent)));
  assert.equal(legend.reduce((sum, one) => sum + one, 0), graph.edges.length);
  const { ends, lines, labels } = await tab.evaluate(() => ({
    ends: document.querySelectorAll("svg .end").length,
    lines: document.querySelectorAll("svg .line").length,
    labels: [...document.querySelectorAll("svg .line > text")].map((text) => text.textContent),
  }));
  assert.equal(ends, graph.ends.length);
  assert.equal(lines, labels.length);
  assert.equal(labels.reduce((sum, label) => sum + 1 + Number(label.split("+")[1] ?? 0), 0), graph.edges.length, labels.join(" "));
  await close();
});

test("it is searched and filtered by keyboard", async () => {
  const { tab, wrong, close } = await open();
  await tab.keyboard.press("Tab");
  assert.equal(await tab.evaluate(() => document.activeElement.className), "skip");
  await tab.keyboard.press("/");
  assert.equal(await tab.evaluate(() => document.activeElement.id), "q");
  await tab.keyboard.type("settlement batch");
  const told = tab.locator("#told");
  const all = graph.edges.length;
  const found = graph.edges.filter((edge) => edge.need?.includes("settlement")).length;
  assert.ok(found > 0);
  await told.filter({ hasText: `Shown: ${found} of ${all} edges.` }).waitFor();
  assert.equal(await shown(tab, ROWS), found);
  await tab.keyboard.press("Escape");
  await told.filter({ hasText: /^$/ }).waitFor({ state: "attached" });
  assert.equal(await shown(tab, ROWS), all);
  for (const [id, keys, choice, attribute, wanted] of [
    ["f-state", "unde", "under no policy", "state", graph.edges.filter((edge) => edge.kind === "Door").length],
    ["f-severity", "r", "removed", "severity", graph.edges.filter((edge) => edge.change === "Removed").length],
    ["f-zone", "co", "connected", "zone", graph.edges.filter((edge) => edge.zone === "connected").length],
  ]) {
    await tab.focus(`#${id}`);
    await tab.keyboard.type(keys);
    assert.equal(await tab.inputValue(`#${id}`), choice);
    assert.ok(wanted > 0 && wanted < all, choice);
    await told.filter({ hasText: `Shown: ${wanted} of ${all} edges.` }).waitFor();
    assert.deepEqual([...new Set(await tab.$$eval(ROWS, (rows, name) => rows.filter((row) => row.checkVisibility()).map((row) => row.dataset[name]), attribute))], [choice]);
    assert.equal(await shown(tab, ROWS), wanted);
    await tab.focus("button[type=reset]");
    await tab.keyboard.press("Enter");
    await told.filter({ hasText: /^$/ }).waitFor({ state: "attached" });
  }
  assert.deepEqual(wrong, []);
  await close();
});

test("the drawing is reached and moved by keyboard where it is wider than the window", async () => {
  const { tab, close } = await open({ viewport: { width: 400, height: 1000 } });
  const figure = tab.locator("figure.picture");
  for (let tabs = 0; tabs < 20 && !(await figure.evaluate((one) => one === document.activeElement)); tabs += 1) await tab.keyboard.press("Tab");
  assert.ok(await figure.evaluate((one) => one === document.activeElement && getComputedStyle(one).outlineStyle === "solid"), "it can be reached, and seen to be");
  assert.equal(await figure.evaluate((one) => one.scrollLeft), 0);
  for (let presses = 0; presses < 3; presses += 1) await tab.keyboard.press("ArrowRight");
  await tab.waitForFunction(() => document.querySelector("figure.picture").scrollLeft > 0);
  await close();
});

test("on paper everything is there, without controls, whatever was looked for", async () => {
  for (const javaScriptEnabled of [true, false]) {
    const { tab, close } = await open({ javaScriptEnabled });
    if (javaScriptEnabled) {
      await tab.fill("#q", "no such thing at all");
      await tab.locator("#told").filter({ hasText: "Shown: 0 of" }).waitFor();
    }
    await tab.emulateMedia({ media: "print" });
    assert.deepEqual(await hidden(tab), [], `with the script ${javaScriptEnabled ? "on" : "off"}`);
    assert.equal(await shown(tab, "#tools,.skip"), 0);
    // A4 less its margins: the drawing is made to fit.
    await tab.setViewportSize({ width: 700, height: 1000 });
    assert.ok(await tab.evaluate(() => document.querySelector(".picture svg").getBoundingClientRect().right <= 700));
    await close();
  }
});

test("nothing is lost without its script", async () => {
  const { tab, wrong, close } = await open({ javaScriptEnabled: false });
  assert.equal(await shown(tab, "#tools"), 0, "no control that does nothing");
  assert.equal(await shown(tab, ROWS), graph.edges.length);
  assert.deepEqual(wrong, []);
  await close();
});

test("nobody is kept out, by day and by night, on a phone and on a desk", async () => {
  for (const colorScheme of SCHEMES) {
    for (const width of WIDTHS) {
      const { tab, wrong, close } = await open({ colorScheme, viewport: { width, height: 1000 } });
      const name = `${colorScheme}, ${width} px`;
      assert.equal(await overflow(tab), 0, `${name}: it scrolls sideways`);
      assert.deepEqual(await complaints(tab), [], name);
      assert.deepEqual(wrong.filter((line) => !line.includes("Content Security Policy")), [], name);
      await close();
    }
  }
});

test("names as long as they can be stay within the page and within their boxes", async () => {
  const long = (length) => "W".repeat(length).toLowerCase();
  const file = join(folder, "long.yaml");
  const text = readFileSync(join(here, "cluster.yaml"), "utf8")
    .replaceAll("storefront-to-checkout", long(63))
    .replaceAll("app: checkout", `app: ${long(63)}`)
    .replaceAll("PAY-1421", long(253))
    .replaceAll("storefront-team", long(253));
  writeFileSync(file, text);
  const written = join(folder, "long.html");
  writeFileSync(written, said(["diagram", "-f", file, "--as-is", "-o", "html"]));
  for (const width of [...WIDTHS, 740, 1000]) {
    const { tab, close } = await open({ viewport: { width, height: 1000 } }, written);
    assert.equal(await overflow(tab), 0, `${width} px`);
    const out = await tab.$$eval("svg .end, svg .zone, svg .namespace", (all) => all
      .filter((one) => one.querySelector("text").getBBox().width > one.querySelector("rect").getBBox().width - 8)
      .map((one) => one.querySelector("text").textContent));
    assert.deepEqual(out, [], "text runs out of its box");
    await close();
  }
});
