// Elements by one call each. Text is always text: nothing of an answer is ever read as HTML.
// SPDX-License-Identifier: MIT OR Apache-2.0

/** `el("p", { class: "hint" }, "text", otherElement)`; attributes that are false or absent are left out. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export const byId = (id) => document.getElementById(id);

/** A path that may break after its slashes. */
export const pathNodes = (path) => path.split(/(?<=\/)/).flatMap((part) => [el("wbr"), part]);

/** "1 byte", "28 bytes", "1,000 bytes". */
export const bytesOf = (count) => `${count.toLocaleString("en")} ${count === 1 ? "byte" : "bytes"}`;

/** JSON for people: indented, long strings cut in the middle. */
export function prettyJson(value) {
  const shorten = (_, one) => (typeof one === "string" && one.length > 72
    ? `${one.slice(0, 28)}…${one.slice(-12)} (${one.length} characters)` : one);
  return JSON.stringify(value, shorten, 2);
}
