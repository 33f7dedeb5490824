// What the form does: the flow in all its forms, what left the browser meanwhile, and how failures are shown.
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from "node:assert/strict";
import { outcome, send, visit } from "./browser.mjs";

const SENT = "If the email exists, a reset link will be sent";
const KEY = "**/web/v1/secure-channel/public-key";
const FORGOT = "/web/v1/system/auth/password/forgot";
let count = 0;
const fresh = () => `someone-${process.pid}-${count += 1}@browser.example`;

/** The text of all panels of one reader. */
const readBy = async (page, reader) => (await page.locator(`[data-reader=${reader}]`).allTextContents()).join("\n");

/** Nothing that left the browser, whatever it was, has the address in it. */
function isNowhere(email, requests) {
  for (const { url, headers, body } of requests) {
    assert(!url.includes(email) && !headers.includes(email), `the address is in the head of ${url}`);
    assert(!body?.includes(email) && !body?.includes(encodeURIComponent(email)), `the address is in the body of ${url}`);
  }
}

async function conversation({ browser, url, shot }, inline, bound) {
  const { page, context, seen } = await visit(browser, url);
  const email = fresh();
  const { title, text } = await send(page, email, { inline, bound });
  assert.equal(title, SENT);
  assert.match(text, /^HTTP 200, 2000\. The answer was sealed/);
  assert.match(await page.textContent("#status"), /^All 7 steps done in [0-9]+ ms\.$/);
  assert.equal(await page.locator(".step[data-state=done]").count(), 7);
  const answer = JSON.parse(await page.locator(".step:nth-child(6) pre").textContent());
  assert.deepEqual([answer.success, answer.code, answer.data], [true, "2000", { success: true, message: SENT }]);
  // Who reads what, as the page says it.
  const [proxy, ends] = [await readBy(page, "proxy"), await readBy(page, "ends")];
  assert(!proxy.includes(email) && !proxy.includes(SENT) && ends.includes(email) && ends.includes(SENT));
  assert((await readBy(page, "exposed")).includes(email));
  // And as it was.
  isNowhere(email, seen.requests);
  const posts = seen.requests.filter(({ method }) => method === "POST");
  const session = inline ? [] : ["/web/v1/secure-channel/session"];
  assert.deepEqual(posts.map(({ path }) => path), [...session, FORGOT, "/web/v1/secure-channel/session/close"]);
  const envelope = posts.find(({ path }) => path === FORGOT).body;
  assert.deepEqual([...envelope.subarray(0, 4)], [0x53, 0x43, inline && bound ? 0x82 : 2, inline ? 1 : 2]);
  assert.equal(envelope.length, JSON.stringify({ email }).length + (inline ? 549 + 32 : 32));
  await shows(page, envelope);
  assert.deepEqual(seen.faults, []);
  await page.screenshot({ path: shot(`conversation-${inline ? "inline" : "endpoint"}-${bound ? "bound" : "plain"}`), fullPage: true });
  await context.close();
}

/** The bytes on the page are those that were sent, and its fields cover them without a gap. */
async function shows(page, envelope) {
  const view = page.locator(".step:nth-child(5) .envelope").first();
  if (await view.locator(".short").count() > 0) await view.locator("button.quiet").click();
  const runs = await view.locator(".run").evaluateAll((all) => all.map((run) => {
    const copy = run.cloneNode(true);
    copy.querySelectorAll(".number, .short").forEach((part) => part.remove());
    return copy.textContent.replaceAll(" ", "");
  }));
  assert.equal(runs.join(""), envelope.toString("hex"));
  const places = await view.locator(".place").allTextContents();
  let offset = 0;
  places.forEach((place, index) => {
    const size = runs[index].length / 2;
    assert.equal(place, `offset ${offset}, ${size} ${size === 1 ? "byte" : "bytes"}`);
    offset += size;
  });
  assert.equal(offset, envelope.length);
}

export const flowChecks = {
  "browser session bound": (world) => conversation(world, false, true),
  "browser session plain": (world) => conversation(world, false, false),
  "browser inline bound": (world) => conversation(world, true, true),
  "browser inline plain": (world) => conversation(world, true, false),

  "the fourth request for an address is shown as rate limited, with its delay": async ({ browser, url, shot }) => {
    const { page, context, seen } = await visit(browser, url);
    const email = fresh();
    for (let i = 0; i < 3; i++) assert.equal((await send(page, email)).title, SENT);
    const { title, text } = await send(page, email);
    assert.equal(title, "Rate limited");
    assert.match(text, /asks to wait (29[0-9]|300) seconds \(about 5 minutes\)\. HTTP 429, REQUEST\.RATE_LIMITED\. The answer was sealed/);
    isNowhere(email, seen.requests);
    assert.deepEqual(seen.faults, []);
    await page.screenshot({ path: shot("rate-limited") });
    await context.close();
  },

  "an address that is none is refused by the server, and the field says so": async ({ browser, url, shot }) => {
    const { page, context, seen } = await visit(browser, url);
    for (const bad of ["nonsense", "", "a@b@c", `${"x".repeat(260)}@a.example`]) {
      const { title, text } = await send(page, bad);
      assert.equal(title, "The server refused the request");
      assert.match(text, /^The request is not valid: email\. HTTP 400, REQUEST\.VALIDATION_FAILED\. The answer was sealed/);
      assert.equal(await page.getAttribute("#email", "aria-invalid"), "true");
      assert.equal(await page.textContent("#email-error"), "The request is not valid: email");
    }
    await page.screenshot({ path: shot("refused") });
    assert.equal((await send(page, fresh())).title, SENT);
    assert.equal(await page.getAttribute("#email", "aria-invalid"), null);
    assert(await page.isHidden("#email-error"));
    assert.deepEqual(seen.faults, []);
    await context.close();
  },

  "an address is shown as text, never as HTML": async ({ browser, url }) => {
    const { page, context, seen } = await visit(browser, url);
    const email = `<img/src=x/onerror=alert(1)>@${fresh().split("@")[1]}`;
    assert.equal((await send(page, email)).title, SENT);
    assert((await readBy(page, "ends")).includes(email));
    assert.equal(await page.locator("main img").count(), 0);
    assert.deepEqual(seen.faults, []);
    await context.close();
  },

  "a refusal in the clear is told apart from a sealed one": async ({ browser, start }) => {
    const server = await start("--setup-limit", "1/60s");
    const { page, context } = await visit(browser, server.url);
    assert.equal((await send(page, fresh())).title, SENT);
    const { title, text } = await send(page, fresh());
    assert.equal(title, "Rate limited");
    assert.match(text, /asks to wait [0-9]+ seconds\. HTTP 429, REQUEST\.RATE_LIMITED\. This came in the clear/);
    assert.match(await page.textContent("#status"), /^Stopped at step 3 of 7/);
    await context.close();
    await server.stop();
  },

  "a server without the bound profile is refused by a client that wants it": async ({ browser, start }) => {
    const server = await start("--bound", "off");
    const { page, context } = await visit(browser, server.url);
    const { title, text } = await send(page, fresh());
    assert.equal(title, "The answer was refused");
    assert.match(text, /does not offer the bound profile/);
    assert.equal((await send(page, fresh(), { bound: false })).title, SENT);
    await context.close();
    await server.stop();
  },

  "answers that are odd are refused, and not taken for a server that is gone": async ({ browser, url }) => {
    const { page, context } = await visit(browser, url);
    const form = { version: "2.0.0", timestamp: 1, success: true, code: "2000", message: "SUCCESS" };
    const key = { keyId: "k", publicKey: "AAAA", algorithm: "RSA-OAEP-2048", keySize: 2048, profiles: ["plain", "bound"] };
    for (const data of [null, [], 5, { ...key, profiles: 5 }, { ...key, publicKey: 5 }, { ...key, keyId: 5 }, key]) {
      await page.route(KEY, (route) => route.fulfill({ json: { ...form, data } }));
      const { title, text } = await send(page, fresh());
      assert.equal(title, "The answer was refused", JSON.stringify(data));
      assert.match(text, /Nothing of it was used/);
    }
    await page.route(KEY, (route) => route.fulfill({ status: 302, headers: { Location: "/elsewhere" } }));
    assert.equal((await send(page, fresh())).title, "The answer was refused");
    await page.route(KEY, (route) => route.fulfill({ body: "[1]" }));
    assert.equal((await send(page, fresh())).title, "The server refused in the clear");
    await context.close();
  },

  "a server that is gone is told": async ({ browser, start, shot }) => {
    const server = await start();
    const { page, context } = await visit(browser, server.url);
    await server.stop();
    const { title } = await send(page, fresh());
    assert.equal(title, "The server cannot be reached");
    assert.equal(await page.locator(".step[data-state=failed]").count(), 1);
    await page.screenshot({ path: shot("gone") });
    await context.close();
  },

  "where the browser has no WebCrypto the page says so and sends nothing": async ({ browser, url, shot }) => {
    const insecure = url.replace("127.0.0.1", "insecure.test");
    const { page, context, seen } = await visit(browser, insecure);
    assert.equal(await page.evaluate(() => isSecureContext), false);
    assert.match(await page.textContent("#unable"), /no WebCrypto here/);
    assert(await page.isDisabled("#send"));
    assert.deepEqual(seen.requests.filter(({ path }) => path.startsWith("/web")), []);
    await page.screenshot({ path: shot("insecure") });
    await context.close();
  },

  "a second press while the first is under way does nothing": async ({ browser, url }) => {
    const { page, context, seen } = await visit(browser, url);
    await page.fill("#email", fresh());
    await page.evaluate(() => { for (let i = 0; i < 5; i++) document.getElementById("send").click(); });
    assert.equal((await outcome(page)).title, SENT);
    assert.equal(seen.requests.filter(({ path }) => path === FORGOT).length, 1);
    await context.close();
  },
};
