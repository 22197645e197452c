// Debian's Chromium, without anything that it does by itself.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = [process.env.PCIZONE_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The program, or why there is none. */
export function program() {
  const found = PLACES.find((place) => place && existsSync(place));
  if (!found) throw new Error("no Chromium: install the package chromium, or set PCIZONE_CHROMIUM to the program");
  return found;
}

/** Starts it. Its sandbox needs what containers do not have, and the page that it shows is ours. */
export async function start() {
  return chromium.launch({
    executablePath: program(),
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
