// Pictures of a page, to be looked at: node look.js PAGE FOLDER
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { start } from "./browser.js";

const [page, folder] = process.argv.slice(2);
if (!page || !folder) throw new Error("node look.js PAGE FOLDER");
mkdirSync(folder, { recursive: true });
const browser = await start();
for (const colorScheme of ["light", "dark"]) {
  for (const width of [400, 1400]) {
    const context = await browser.newContext({ colorScheme, viewport: { width, height: 1000 } });
    const tab = await context.newPage();
    await tab.goto(pathToFileURL(resolve(page)).href);
    const picture = (name) => tab.screenshot({ path: `${folder}/${width}-${colorScheme}-${name}.png` });
    await picture("top");
    for (const [name, selector] of [["claims", "[id^=requirements-]"], ["findings", "[id^=findings-]"], ["ways", "[id^=ways-]"], ["images", "[id^=images-]"], ["flows", "[id^=flows-]"], ["objects", "[id^=objects-]"]]) {
      await tab.locator(selector).first().evaluate((heading) => {
        const section = heading.parentElement;
        section.querySelectorAll("details").forEach((details, number) => { details.open = number < 3; });
        heading.scrollIntoView();
      });
      await picture(name);
    }
    await context.close();
  }
}
await browser.close();
