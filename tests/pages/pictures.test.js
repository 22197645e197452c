// Mermaid and Graphviz themselves draw what `diagram` and `check` write for them: every node, every edge, and nothing else.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Graphviz } from "@hpcc-js/wasm-graphviz";
import { start } from "./browser.js";
import { here, said } from "./program.js";

const mermaid = readFileSync(createRequire(import.meta.url).resolve("mermaid/dist/mermaid.min.js"), "utf8");
const examples = join(here, "../../examples");
const changes = join(examples, "changes");

let browser, graphviz, folder;

before(async () => {
  browser = await start();
  graphviz = await Graphviz.load();
  folder = mkdtempSync(join(tmpdir(), "pcizone-pictures-"));
});

after(async () => {
  await browser?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** A diagram as its forms say it: what is written, and how many nodes and edges JSON has. */
function diagram(name, args, options) {
  const of = (form) => said(["diagram", ...args, "-o", form], options);
  const { ends, edges } = JSON.parse(of("json"));
  return { name, mermaid: of("mermaid"), dot: of("dot"), nodes: ends.map((end) => end.name), edges: edges.map((edge) => edge.name) };
}

/** The same of what `check` found. */
function findings(name, args, options) {
  const of = (form) => said(["check", ...args, "-o", form], { codes: [0, 1], ...options });
  const { zones } = JSON.parse(of("json"));
  const all = zones.flatMap((zone) => zone.findings);
  const nodes = [...zones.map((zone) => zone.name), ...new Set(all.map((finding) => finding.subject))];
  return { name, mermaid: of("mermaid"), dot: of("dot"), nodes, edges: all.map((finding) => finding.id) };
}

const CASES = () => {
  // A directive in a comment would be obeyed too.
  const base = join(folder, "%%{init: {'flowchart': {'htmlLabels': false}}}%% \"base\".yaml");
  writeFileSync(base, readFileSync(join(here, "hostile.yaml"), "utf8").replace("name: default", "name: was"));
  return [
    diagram("hostile names", ["-f", "hostile.yaml"]),
    diagram("hostile names, and what changed", ["-f", "hostile.yaml", "--base", base]),
    diagram("hostile names, account data", ["-f", "hostile.yaml", "--account-data"]),
    findings("findings with hostile names", ["-f", "hostile.yaml"]),
    findings("findings of the page", ["-f", "cluster.yaml", "--as-is"]),
    diagram("the page", ["-f", "cluster.yaml", "--as-is"]),
    diagram("the shop", ["-f", "shop", "-f", "zones/cardholder-data.yaml"], { cwd: examples }),
    ...readdirSync(changes).filter((name) => !name.includes(".")).map((name) =>
      diagram(name, ["-f", "head.yaml", "--base", "base.yaml"], { cwd: join(changes, name) })),
  ];
};

/** Text as a person reads it: what stands for a character that is not shown, and how spaces are set, does not matter. */
const read = (text) => text.replace(/[\u202a-\u202e\u2066-\u2069\ufffd\p{Cc}]/gu, "").replace(/[\s\u00a0]+/g, " ").trim();
const sorted = (texts) => texts.map(read).sort();

test("Mermaid draws every end and every edge, and obeys nothing that stands in a label", async () => {
  const context = await browser.newContext();
  const tab = await context.newPage();
  const wrong = [];
  tab.on("console", (message) => wrong.push(`${message.type()}: ${message.text()}`));
  tab.on("pageerror", (error) => wrong.push(String(error)));
  tab.on("request", (request) => wrong.push(`it asks for ${request.url()}`));
  tab.on("dialog", (dialog) => { wrong.push(dialog.message()); dialog.dismiss(); });
  await tab.setContent("<!doctype html><title>mermaid</title><div id=there></div>");
  await tab.addScriptTag({ content: mermaid });
  for (const one of CASES()) {
    const drawn = await tab.evaluate(async (text) => {
      // As a wiki or a forge has it: labels are HTML, cleaned by Mermaid alone.
      window.mermaid.initialize({ startOnLoad: false, securityLevel: "strict" });
      const { svg } = await window.mermaid.render("picture", text);
      const there = document.getElementById("there");
      there.innerHTML = svg;
      const texts = (selector) => [...there.querySelectorAll(selector)].map((label) => label.textContent);
      const theirs = [...there.querySelectorAll("*")].filter((one) =>
        ["script", "img", "image", "a", "iframe"].includes(one.localName) || [...one.attributes].some(({ name }) => /^on|href$/.test(name)));
      return {
        nodes: texts("g.node .nodeLabel"),
        edges: texts("g.edgeLabel .edgeLabel"),
        lines: there.querySelectorAll("path.flowchart-link").length,
        theirs: theirs.map((element) => element.outerHTML),
        styles: there.querySelectorAll("path.flowchart-link[style*=stroke]").length,
      };
    }, one.mermaid).catch((error) => assert.fail(`${one.name}: ${error}\n${one.mermaid}`));
    assert.deepEqual(drawn.theirs, [], one.name);
    assert.equal(drawn.lines, one.edges.length, `${one.name}: lines`);
    assert.equal(drawn.nodes.length, one.nodes.length, `${one.name}: nodes`);
    const said = sorted(drawn.nodes).join("\n");
    for (const name of one.nodes) assert.ok(said.includes(read(name)), `${one.name}: ${name} is not among\n${said}`);
    const labels = drawn.edges.map(read).filter(Boolean);
    assert.equal(labels.length, one.edges.length, `${one.name}: labels`);
    for (const name of one.edges) assert.ok(labels.some((label) => label.startsWith(read(name))), `${one.name}: ${name} is not among\n${labels.join("\n")}`);
    assert.deepEqual(labels.filter((label) => label.includes("Unsupported markdown")), [], one.name);
  }
  assert.equal(await tab.evaluate(() => window.taken), undefined);
  await tab.waitForTimeout(100);
  assert.deepEqual(wrong, []);
  await context.close();
});

test("Graphviz draws every end and every edge, and obeys nothing that stands in a label", async () => {
  const context = await browser.newContext();
  const tab = await context.newPage();
  const wrong = [];
  tab.on("request", (request) => wrong.push(`it asks for ${request.url()}`));
  for (const one of CASES()) {
    const drawn = await tab.evaluate((svg) => {
      document.body.innerHTML = svg;
      const texts = (kind) => [...document.querySelectorAll(`g.${kind}`)].map((group) =>
        [...group.querySelectorAll("text")].map((text) => text.textContent).join(" "));
      const theirs = document.querySelectorAll("script,img,image,a,iframe").length;
      return { nodes: texts("node"), edges: texts("edge"), theirs };
    }, graphviz.layout(one.dot, "svg", "dot"));
    assert.equal(drawn.theirs, 0, one.name);
    assert.equal(drawn.nodes.length, one.nodes.length, `${one.name}: nodes`);
    assert.equal(drawn.edges.length, one.edges.length, `${one.name}: edges`);
    const said = sorted(drawn.nodes).join("\n");
    for (const name of one.nodes) assert.ok(said.includes(read(name)), `${one.name}: ${name} is not among\n${said}`);
    for (const name of one.edges) assert.ok(drawn.edges.some((label) => read(label).startsWith(read(name))), `${one.name}: ${name} is not among\n${drawn.edges.join("\n")}`);
  }
  assert.equal(await tab.evaluate(() => window.taken), undefined);
  assert.deepEqual(wrong, []);
  await context.close();
});
