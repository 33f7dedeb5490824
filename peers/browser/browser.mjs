// What the browser test runs on: the program as a server, Chromium, and a watch on everything a page does.
// SPDX-License-Identifier: MIT OR Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

/** Starts `scv2 serve` on a free port; `stop` expects it to end in good order. */
export async function startServer(program, ...options) {
  const child = spawn(program, ["serve", "--listen", "127.0.0.1:0", ...options], { stdio: ["ignore", "pipe", "ignore"] });
  const failed = once(child, "error").then(([error]) => { throw error; });
  const ended = once(child, "exit");
  const [line] = await Promise.race([
    once(createInterface(child.stdout), "line"), failed, ended.then(() => { throw new Error("the server did not start"); }),
  ]);
  ended.catch(() => {});
  const stop = async () => {
    child.kill("SIGTERM");
    const [code] = await ended;
    if (code !== 0) throw new Error(`the server ended with code ${code}`);
  };
  return { url: line.replace("listening on ", ""), stop, kill: () => child.kill("SIGKILL") };
}

/** The path of Chromium: CHROMIUM, or the first in PATH. */
function executable() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const paths = (process.env.PATH ?? "").split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  for (const path of [process.env.CHROMIUM, ...paths].filter(Boolean)) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Then the next one.
    }
  }
  throw new Error("chromium is not installed");
}

export function launch() {
  const args = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--host-resolver-rules=MAP insecure.test 127.0.0.1",
  ];
  // Chromium's sandbox does not run as root, which is what a CI container is.
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  return chromium.launch({ executablePath: executable(), args });
}

// Chromium tells the console of every status from 400 up; where an error answer is the point, that is no fault.
const OF_AN_ANSWER = /^Failed to load resource: the server responded with a status of (400|429) /;

/**
 * Opens the page in a context of its own and keeps an eye on it: `seen.faults` (console errors, exceptions, violations of the
 * policy, requests to other origins) must stay empty, `seen.requests` are the bytes that left the browser.
 */
export async function visit(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const seen = { faults: [], requests: [] };
  page.on("console", (message) => {
    const fault = ["error", "warning"].includes(message.type()) && !OF_AN_ANSWER.test(message.text());
    if (fault) seen.faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => seen.faults.push(`exception: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/`)) seen.faults.push(`request to ${request.url()}`);
    const { pathname } = new URL(request.url());
    const headers = JSON.stringify(request.headers());
    seen.requests.push({ method: request.method(), path: pathname, url: request.url(), headers, body: request.postDataBuffer() });
  });
  await page.exposeFunction("reportViolation", (what) => seen.faults.push(`policy: ${what}`));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      globalThis.reportViolation(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  await page.goto(`${url}/`);
  return { page, context, seen };
}

/** Fills the form in, sends it, and waits for what comes of it; gives the title and the text. */
export async function send(page, email, { inline = false, bound = true } = {}) {
  await page.fill("#email", email);
  await page.check(`input[name=way][value=${inline ? "inline" : "endpoint"}]`);
  await page.check(`input[name=profile][value=${bound ? "bound" : "plain"}]`);
  await page.click("#send");
  return outcome(page);
}

export async function outcome(page) {
  await page.waitForSelector("#send:not([aria-disabled])");
  await page.waitForSelector("#outcome:not([hidden])");
  return { title: await page.textContent("#outcome .title"), text: await page.textContent("#outcome p:not(.title)") };
}
