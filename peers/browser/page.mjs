// What the page is like to use: keyboard, narrow windows, large text, dark and light, and axe's rules.
// SPDX-License-Identifier: MIT OR Apache-2.0
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { outcome, send, visit } from "./browser.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
let count = 0;
const fresh = () => `reader-${process.pid}-${count += 1}@browser.example`;

const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

/** What has the focus, and whether a person can see that it has. */
async function focus(page) {
  return page.evaluate(() => {
    const element = document.activeElement;
    // The buttons of the view are inputs under their labels' text, which carries the outline.
    const shown = element.name === "view" ? element.nextElementSibling : element;
    const { outlineStyle, outlineWidth } = getComputedStyle(shown);
    if (outlineStyle === "none" || parseFloat(outlineWidth) < 2) throw new Error(`no visible focus on ${element.outerHTML}`);
    return element.id || element.value || element.textContent.trim();
  });
}

/** Presses Tab and expects each stop in turn. */
async function tab(page, ...stops) {
  for (const stop of stops) {
    await page.keyboard.press("Tab");
    assert.equal(await focus(page), stop);
  }
}

async function axe(page, what) {
  await page.addScriptTag({ path: AXE });
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document));
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(found, [], what);
  assert(passes.length > 20, "axe looked at nothing");
}

/** How light a colour is, 0 to 255, roughly. */
const lightness = (page, selector) => page.locator(selector).evaluate((element) => {
  const [r, g, b] = getComputedStyle(element).backgroundColor.match(/[0-9.]+/g).map(Number);
  return (r + g + b) / 3;
});

export const pageChecks = {
  "the keyboard alone sends the form, chooses the view and opens an envelope": async ({ browser, url }) => {
    const { page, context, seen } = await visit(browser, url);
    await tab(page, "Skip to the form");
    await page.keyboard.press("Enter");
    await tab(page, "email");
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type(fresh());
    await tab(page, "endpoint");
    await page.keyboard.press("ArrowDown");
    assert.equal(await focus(page), "inline");
    await tab(page, "bound");
    await page.keyboard.press("ArrowDown");
    assert.equal(await focus(page), "plain");
    await tab(page, "send");
    await page.keyboard.press("Enter");
    assert.match((await outcome(page)).title, /a reset link will be sent$/);
    const envelope = seen.requests.find(({ body }) => body?.[0] === 0x53).body;
    assert.deepEqual([envelope[2], envelope[3]], [2, 1]);
    assert.equal(await focus(page), "send");
    await tab(page, "both");
    await page.keyboard.press("ArrowRight");
    assert.equal(await focus(page), "proxy");
    assert.equal(await page.locator(".steps [data-reader=ends]:visible").count(), 0);
    assert(await page.locator(".steps [data-reader=proxy]:visible").count() > 0);
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.locator(".steps [data-reader=proxy]:visible").count(), 0);
    assert(await page.locator(".steps [data-reader=ends]:visible").count() > 0);
    await page.keyboard.press("ArrowRight");
    await tab(page, `Show all ${envelope.length} bytes`);
    await page.keyboard.press("Enter");
    assert.equal(await focus(page), "Shorten long fields");
    assert.equal(await page.locator(":focus").getAttribute("aria-expanded"), "true");
    // Enter in the address sends the form too.
    await page.focus("#email");
    await page.keyboard.press("Enter");
    await outcome(page);
    assert.equal(seen.requests.filter(({ body }) => body?.[0] === 0x53).length, 2);
    assert.deepEqual(seen.faults, []);
    await context.close();
  },

  "progress and outcome are told to screen readers": async ({ browser, url }) => {
    const { page, context } = await visit(browser, url);
    // What a live region says is what changes in it.
    await page.evaluate(() => {
      globalThis.told = [];
      const region = document.querySelector("[role=status]");
      new MutationObserver(() => globalThis.told.push(region.textContent.trim())).observe(region, { childList: true, subtree: true, characterData: true });
    });
    await send(page, fresh());
    const told = await page.evaluate(() => globalThis.told);
    for (const part of ["Step 1 of 7: Fetch the server's public key", "Step 5 of 7: Send the envelope", "a reset link will be sent"]) {
      assert(told.some((text) => text.includes(part)), `${part} is not in ${JSON.stringify(told)}`);
    }
    const label = await page.locator(".bytes").first().getAttribute("aria-label");
    assert.match(label, /^Request envelope: [0-9]+ bytes in hexadecimal; the list that follows names its 6 fields$/);
    await context.close();
  },

  "at 360 and 320 pixels nothing scrolls sideways, not even with text twice as large": async ({ browser, url, shot }) => {
    for (const width of [360, 320]) {
      const { page, context, seen } = await visit(browser, url, { viewport: { width, height: 740 } });
      assert.equal(await overflow(page), 0);
      if (width === 360) await page.screenshot({ path: shot("narrow") });
      await send(page, `${"long".repeat(15)}.${fresh()}`, { inline: true });
      await page.locator("button.quiet").first().click();
      assert(await page.evaluate(() => document.documentElement.scrollWidth) <= width);
      if (width === 360) await page.screenshot({ path: shot("narrow-conversation"), fullPage: true });
      await page.evaluate(() => { document.documentElement.style.fontSize = "200%"; });
      assert.equal(await overflow(page), 0, `large text at ${width}`);
      assert.deepEqual(seen.faults, []);
      await context.close();
    }
  },

  "light and dark follow the system": async ({ browser, url, shot }) => {
    const lights = {};
    for (const colorScheme of ["light", "dark"]) {
      const { page, context } = await visit(browser, url, { colorScheme });
      lights[colorScheme] = [await lightness(page, "body"), await lightness(page, ".card >> nth=0")];
      await page.screenshot({ path: shot(colorScheme) });
      await send(page, fresh(), { inline: true });
      await page.screenshot({ path: shot(`${colorScheme}-conversation`), fullPage: true });
      await context.close();
    }
    assert(lights.light.every((value) => value > 200) && lights.dark.every((value) => value < 60), JSON.stringify(lights));
  },

  "nothing moves for people who asked for that": async ({ browser, url }) => {
    for (const [reducedMotion, moves] of [["reduce", false], ["no-preference", true]]) {
      const { page, context } = await visit(browser, url, { reducedMotion });
      await send(page, fresh());
      const name = await page.locator(".step").first().evaluate((step) => getComputedStyle(step).animationName);
      assert.equal(name !== "none", moves);
      await context.close();
    }
  },

  "axe finds nothing, light and dark, before and after a conversation, wide and narrow": async ({ browser, url }) => {
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [1200, 360]) {
        // The policy would keep axe out, so it is lifted here and nowhere else.
        const { page, context } = await visit(browser, url, { colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
        await axe(page, `${colorScheme}, ${width}, before`);
        await send(page, fresh(), { inline: true });
        await page.locator("button.quiet").first().click();
        await axe(page, `${colorScheme}, ${width}, after`);
        await send(page, "nonsense");
        await axe(page, `${colorScheme}, ${width}, refused`);
        await context.close();
      }
    }
  },

  "on paper the steps are there and the controls are not": async ({ browser, url, shot }) => {
    const { page, context } = await visit(browser, url);
    await send(page, fresh());
    await page.emulateMedia({ media: "print" });
    assert(await page.isHidden("#form") && await page.isVisible("#steps") && await page.isVisible("#outcome"));
    await page.screenshot({ path: shot("paper") });
    await context.close();
  },
};
