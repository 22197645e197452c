// How long a page takes until it is seen, and until a search is: node measure.js PAGE ROUNDS. JSON on standard output, in ms.
// An empty page takes turns with it: what the browser itself needs.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { start } from "./browser.js";

const [page, rounds] = process.argv.slice(2);
if (!page || !(Number(rounds) > 0)) throw new Error("node measure.js PAGE ROUNDS");
const folder = mkdtempSync(join(tmpdir(), "pcizone-pages-"));
const empty = join(folder, "empty.html");
writeFileSync(empty, '<!doctype html><html lang="en"><title>empty</title><body></body></html>\n');

const browser = await start();
const painted = (tab) => tab.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
const timed = async (work) => {
  const started = performance.now();
  await work();
  return performance.now() - started;
};

async function load(file, after) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 1000 } });
  const tab = await context.newPage();
  const opened = await timed(async () => {
    await tab.goto(pathToFileURL(resolve(file)).href);
    await painted(tab);
  });
  const more = after ? await after(tab) : 0;
  await context.close();
  return [opened, more];
}

const search = (tab) => timed(async () => {
  await tab.fill("#q", "networkpolicy");
  await tab.locator("#told").filter({ hasText: "Shown:" }).waitFor();
  await painted(tab);
});

await load(empty);
const times = { page: [], empty: [], search: [] };
for (let round = 0; round < Number(rounds); round += 1) {
  times.empty.push((await load(empty))[0]);
  const [opened, searched] = await load(page, search);
  times.page.push(opened);
  times.search.push(searched);
}
await browser.close();
rmSync(folder, { recursive: true, force: true });
console.log(JSON.stringify(times));
