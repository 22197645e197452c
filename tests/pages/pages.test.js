// The page in a real browser: complete, quiet, and usable by keyboard, on paper, on a phone and without its script.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { start } from "./browser.js";
import { here, said } from "./program.js";
import { SCHEMES, WIDTHS, complaints, expand, hidden, opened, overflow, shown } from "./tab.js";

let browser, folder, page, checked;

const open = (options, file = page) => opened(browser, file, options);
const run = (command, file, ...more) => said([command, "-f", file, ...more]);
// `check` ends with 1 where something is violated.
const json = (file, ...more) => JSON.parse(said(["check", "-f", file, "-o", "json", ...more], { codes: [0, 1] }));

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "pcizone-pages-"));
  page = join(folder, "report.html");
  writeFileSync(page, run("report", "cluster.yaml", "--as-is"));
  checked = json("cluster.yaml", "--as-is");
  browser = await start();
});

after(async () => {
  await browser?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("it is quiet, asks for nothing, and runs no script of others", async () => {
  const hostile = join(folder, "hostile.html");
  writeFileSync(hostile, run("report", "hostile.yaml"));
  for (const [file, text] of [[page, '<script>alert("need")</script>'], [hostile, "<img src=https://example.com/z onerror='window.taken = true'>"]]) {
    const { tab, wrong, close } = await open({}, file);
    await expand(tab);
    await tab.waitForTimeout(200);
    assert.deepEqual(wrong, []);
    assert.ok((await tab.textContent("main")).includes(text), "markup of others stays text");
    assert.equal(await tab.locator("main img, main script").count(), 0);
    // The policy holds: what is put in is not run.
    await tab.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "window.injected = true";
      document.body.append(script);
    }).catch(() => {});
    assert.deepEqual(await tab.evaluate(() => [window.injected, window.taken]), [undefined, undefined]);
    assert.ok(wrong.some((line) => line.includes("Content Security Policy")), wrong.join("\n"));
    await close();
  }
});

test("each image has a row with its verdict, and the search finds it", async () => {
  const { tab, close } = await open();
  const rows = await tab.$$eval("#zone-cardholder-data [data-item=image]", (all) =>
    all.map((row) => [row.querySelector("th").firstChild.textContent, row.querySelector(".badge").textContent, row.dataset.state]));
  assert.deepEqual(rows, [
    ["docker.io/library/vault:1", "Violated"],
    ["registry.example.com/pci/proxy:3", "Unproven"],
    ["registry.example.com/pci/migrate:9", "Accepted"],
    ["registry.example.com/pci/web:1", "Proven"],
    ["docker.io/library/csi:1", "Unproven"],
    ["docker.io/library/agent:1", "No finding"],
  ].map(([name, verdict]) => [name, verdict, verdict]));
  await tab.fill("#q", "CVE-2026-3001 pci/proxy");
  await tab.locator("#told").filter({ hasText: "0 of 6 images" }).waitFor();
  await tab.fill("#q", "sha256:aaaa gitlab.example.com");
  await tab.locator("#told").filter({ hasText: "1 of 6 images" }).waitFor();
  assert.equal(await shown(tab, "[data-item=image]"), 1, "it is open");
  await close();
});

test("its counts are those of check", async () => {
  const { tab, close } = await open();
  const tiles = await tab.$$eval(".tile", (all) =>
    Object.fromEntries(all.map((one) => [one.querySelector("dt").textContent.toLowerCase(), Number(one.querySelector("dd").textContent)])));
  const sum = {};
  for (const zone of checked.zones) for (const [key, count] of Object.entries(zone.counts)) sum[key] = (sum[key] ?? 0) + count;
  assert.deepEqual(tiles, sum);
  for (const zone of checked.zones) {
    const ids = {};
    for (const finding of zone.findings) ids[finding.id] = (ids[finding.id] ?? 0) + 1;
    const told = await tab.$$eval(`#findings-${zone.name} ~ .list > details`, (all) =>
      Object.fromEntries(all.map((one) => [one.querySelector("summary b").textContent, Number(one.querySelector(".num").textContent)])));
    assert.deepEqual(told, ids, zone.name);
    const items = await tab.locator(`#zone-${zone.name} [data-item=finding]`).count();
    const folded = await tab.$$eval(`#zone-${zone.name} [data-folded]`, (all) => all.reduce((n, one) => n + Number(one.dataset.folded), 0));
    assert.equal(items + folded, zone.findings.length, zone.name);
  }
  await close();
});

test("it is searched and filtered by keyboard", async () => {
  const { tab, wrong, close } = await open();
  await tab.keyboard.press("Tab");
  assert.equal(await tab.evaluate(() => document.activeElement.className), "skip");
  await tab.keyboard.press("/");
  assert.equal(await tab.evaluate(() => document.activeElement.id), "q");
  await tab.keyboard.type("vault hostnetworkpod");
  const told = tab.locator("#told");
  const all = checked.zones.flatMap((zone) => zone.findings).length;
  await told.filter({ hasText: `Shown: 1 of ${all} findings` }).waitFor();
  assert.equal(await shown(tab, "[data-item=finding]"), 1, "what is found is open, and nothing else is there");
  await tab.keyboard.press("Escape");
  await told.filter({ hasText: /^$/ }).waitFor({ state: "attached" });
  assert.equal(await tab.locator(".off").count(), 0);
  assert.equal(await shown(tab, "[data-item=finding]"), 0, "what the search opened is folded again");

  for (const [id, key, choice, attribute] of [
    ["f-state", "A", "Accepted", "data-state"],
    ["f-severity", "L", "Low", "data-severity"],
  ]) {
    await tab.focus(`#${id}`);
    await tab.keyboard.press(key);
    assert.equal(await tab.inputValue(`#${id}`), choice);
    await told.filter({ hasText: "Shown:" }).waitFor();
    const others = await tab.$$eval("[data-item]", (all, [name, wanted]) =>
      all.filter((one) => one.checkVisibility() && one.getAttribute(name) !== wanted).map((one) => one.outerHTML.slice(0, 80)), [attribute, choice]);
    assert.deepEqual(others, []);
    const wanted = checked.zones.flatMap((zone) => zone.findings).filter((one) => one[attribute.slice(5)] === choice).length;
    assert.equal(await shown(tab, "[data-item=finding]"), wanted, choice);
    await tab.focus("button[type=reset]");
    await tab.keyboard.press("Enter");
    await told.filter({ hasText: /^$/ }).waitFor({ state: "attached" });
  }

  await tab.focus("#f-zone");
  await tab.keyboard.press("c");
  await tab.keyboard.press("o");
  await told.filter({ hasText: "Shown:" }).waitFor();
  assert.equal(await tab.inputValue("#f-zone"), "connected");
  assert.deepEqual(await tab.$$eval("article", (all) => all.filter((one) => one.checkVisibility()).map((one) => one.id)), ["zone-connected"]);
  assert.deepEqual(wrong, []);
  await close();
});

test("a folded part opens by keyboard, and a link into it opens it", async () => {
  const { tab, close } = await open();
  const claim = tab.locator("details[id='cardholder-data-1.3.1']");
  await claim.locator("summary").focus();
  const outline = await claim.locator("summary").evaluate((one) => getComputedStyle(one).outlineStyle);
  await tab.keyboard.press("Enter");
  assert.equal(await claim.evaluate((one) => one.open), true);
  await tab.keyboard.press("Shift+Tab");
  await tab.keyboard.press("Tab");
  assert.equal(await claim.locator("summary").evaluate((one) => getComputedStyle(one).outlineStyle), "solid", `where one is can be seen (was ${outline})`);
  const link = claim.locator("a[href^='#cardholder-data-']").first();
  const target = (await link.getAttribute("href")).slice(1);
  await link.press("Enter");
  await tab.waitForFunction((id) => document.getElementById(id).open, target);
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
    await close();
  }
});

test("nothing is lost without its script", async () => {
  const { tab, wrong, close } = await open({ javaScriptEnabled: false });
  assert.equal(await shown(tab, "#tools"), 0, "no control that does nothing");
  const summaries = tab.locator("summary");
  for (let number = 0; number < (await summaries.count()); number += 1) await summaries.nth(number).click();
  assert.equal(await shown(tab, "[data-item]"), await tab.locator("[data-item]").count());
  assert.deepEqual(wrong, []);
  await close();
});

test("nobody is kept out, by day and by night, on a phone and on a desk", async () => {
  for (const colorScheme of SCHEMES) {
    for (const width of WIDTHS) {
      const { tab, wrong, close } = await open({ colorScheme, viewport: { width, height: 1000 } });
      const name = `${colorScheme}, ${width} px`;
      for (const isOpen of [false, true]) {
        if (isOpen) await expand(tab);
        assert.equal(await overflow(tab), 0, `${name}: it scrolls sideways`);
        assert.deepEqual(await complaints(tab), [], `${name}, ${isOpen ? "open" : "folded"}`);
      }
      assert.deepEqual(wrong.filter((line) => !line.includes("Content Security Policy")), [], name);
      await close();
    }
  }
});

test("names as long as they can be stay within the page", async () => {
  const long = (length) => "n".repeat(length);
  const file = join(folder, "long.yaml");
  const text = readFileSync(join(here, "cluster.yaml"), "utf8")
    .replaceAll("vault-0", long(250))
    .replaceAll("storefront-to-checkout", long(63))
    .replaceAll("pentest@example.com", long(253))
    .replaceAll("PAY-1421", long(253))
    .replaceAll("pci-2", long(253))
    .replaceAll("pci/web", `pci/${"n/".repeat(80)}web`)
    .replaceAll("name: Trivy", `name: ${long(128)}`);
  writeFileSync(file, text);
  const written = join(folder, "long.html");
  writeFileSync(written, run("report", file, "--as-is"));
  for (const width of [...WIDTHS, 740, 1000]) {
    const { tab, close } = await open({ viewport: { width, height: 1000 } }, written);
    await expand(tab);
    assert.equal(await overflow(tab), 0, `${width} px`);
    await close();
  }
});
