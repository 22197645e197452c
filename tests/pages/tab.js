// A page in the browser, and what every page of the program has to hold to.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const WIDTHS = [400, 1400];
export const SCHEMES = ["light", "dark"];

/** Opens the page; what it complains of or asks for beyond itself fails the test. */
export async function opened(browser, file, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 1000 }, ...options });
  const tab = await context.newPage();
  const wrong = [];
  tab.on("console", (message) => wrong.push(`${message.type()}: ${message.text()}`));
  tab.on("pageerror", (error) => wrong.push(String(error)));
  tab.on("request", (request) => {
    if (request.url().split("#")[0] !== pathToFileURL(file).href) wrong.push(`it asks for ${request.url()}`);
  });
  await tab.goto(pathToFileURL(file).href);
  return { tab, wrong, close: () => context.close() };
}

export const expand = (tab) => tab.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
/** By how many pixels something is wider than the page. What a part of the page cuts off, or scrolls, does not make the page scroll. */
export const overflow = (tab) => tab.evaluate(() => {
  const { clientWidth, scrollWidth } = document.documentElement;
  const pictures = [...document.querySelectorAll(".picture svg")];
  // A range knows nothing of what scrolls.
  pictures.forEach((one) => { one.style.display = "none"; });
  const rights = [...document.querySelectorAll("body *")].filter((one) => !one.closest("svg,.stack thead,.skip")).map((one) => {
    const texts = document.createRange();
    texts.selectNodeContents(one);
    return Math.max(one.getBoundingClientRect().right, texts.getBoundingClientRect().right);
  });
  pictures.forEach((one) => { one.style.display = ""; });
  return Math.max(0, Math.ceil(Math.max(scrollWidth, ...rights) - clientWidth - 0.5));
});
export const shown = (tab, selector) => tab.locator(selector).evaluateAll((all) => all.filter((one) => one.checkVisibility()).length);

/** What should be on paper, and is not. */
export const hidden = (tab) => tab.locator("main *").evaluateAll((all) => {
  const isMeant = (one) => !one.closest("svg,.stack thead") && one.textContent.trim() !== "" && one.tagName !== "TEMPLATE";
  const isThere = (one) => one.getClientRects().length > 0 && one.checkVisibility({ contentVisibilityAuto: false, visibilityProperty: true });
  return all.filter((one) => isMeant(one) && !isThere(one)).map((one) => one.outerHTML.slice(0, 120)).slice(0, 5);
});

/** What keeps somebody out, as axe tells it. */
export async function complaints(tab) {
  await tab.evaluate(axe);
  const { violations, passes } = await tab.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  assert.ok(passes.some(({ id }) => id === "color-contrast"), "contrast was looked at");
  return violations.flatMap(({ id, nodes }) => nodes.slice(0, 3).map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary}`));
}
