// The program, and what it writes.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const here = fileURLToPath(new URL(".", import.meta.url));
export const NOW = "2026-11-24T08:00:00Z";
const pcizone = process.env.PCIZONE ?? join(here, "../../target/debug/pcizone");

/** What a command writes, looked at at one moment. Codes other than 0 are wrong unless they are named. */
export function said(args, { cwd = here, codes = [0], input } = {}) {
  const [command, ...more] = args;
  try {
    return execFileSync(pcizone, [command, "-q", "--now", NOW, ...more], {
      cwd, encoding: "utf8", input, maxBuffer: 256 << 20, stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
  } catch (error) {
    if (!codes.includes(error.status)) throw new Error(`${args.join(" ")}: ${error.status}\n${error.stderr}`);
    return error.stdout;
  }
}
