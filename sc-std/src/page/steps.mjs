// The steps of one conversation as cards, each panel in them labelled with who reads it.
// SPDX-License-Identifier: MIT OR Apache-2.0
import { bytesOf, el, pathNodes, prettyJson } from "./dom.mjs";
import { envelopeView } from "./hex.mjs";
import { fromUtf8 } from "./scv2.mjs";

const READERS = { proxy: "An edge proxy reads", ends: "Only the two ends know" };

// What of an answer is worth a line; a request's headers are all shown.
const ANSWER_HEADERS = ["Content-Type", "X-SC-Session-Id", "X-SC-Expires-At", "X-SC-Version", "Retry-After"];

const STATES = { working: "working…", done: "done", failed: "failed" };

/** One card. It is in the list from the moment its step begins. */
class Card {
  #state;
  #body;

  constructor(list, title, why) {
    this.#state = el("span", { class: "state" }, STATES.working);
    this.#body = el("div", { class: "panels" });
    this.element = el("li", { class: "step", "data-state": "working" },
      el("h3", {}, title, " ", this.#state), el("p", { class: "why" }, why), this.#body);
    list.append(this.element);
  }

  end(state, milliseconds) {
    this.element.dataset.state = state;
    this.#state.textContent = state === "done" ? `${STATES.done}, ${milliseconds} ms` : STATES[state];
  }

  /** What one reader sees; "ends" for what never leaves browser and server in the clear. */
  panel(reader, ...content) {
    this.#body.append(el("div", { class: "panel", "data-reader": reader }, el("h4", {}, READERS[reader]), ...content));
  }

  /** A request and its answer, as they passed. */
  wire({ method, path, headers, body }, answer) {
    const there = ANSWER_HEADERS.map((name) => [name, answer.headers.get(name)]).filter(([, value]) => value !== null);
    const sides = [
      el("div", { class: "side" }, el("p", { class: "line" }, el("b", {}, "→"), ` ${method} `, ...pathNodes(path)),
        headerList(Object.entries(headers)), ...bodyView("Request", body)),
      el("div", { class: "side" }, el("p", { class: "line" }, el("b", {}, "←"), ` HTTP ${answer.status}`),
        headerList(there), ...bodyView("Answer", answer.body)),
    ];
    this.panel("proxy", el("div", { class: isEnvelope(body) ? "sides" : "sides beside" }, ...sides));
  }
}

function headerList(headers) {
  return el("dl", { class: "headers" }, ...headers.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

const isEnvelope = (body) => body[0] === 0x53 && body[1] === 0x43;

function bodyView(title, body) {
  if (body.length === 0) return [el("p", { class: "hint" }, `${title}: no body`)];
  if (isEnvelope(body)) return [envelopeView(`${title} envelope`, body)];
  return [el("p", { class: "caption" }, el("b", {}, `${title} in the clear`), ` ${bytesOf(body.length)}`), jsonView(body)];
}

/** JSON bytes, or whatever they are, as text. */
export function jsonView(bytes) {
  let shown;
  try {
    shown = prettyJson(JSON.parse(fromUtf8(bytes)));
  } catch {
    shown = `${bytesOf(bytes.length)}, not JSON`;
  }
  return el("pre", { class: "text" }, shown);
}

/** The list of cards of one conversation; `announce` is told each beginning. */
export class Steps {
  #list;
  #total;
  #announce;
  #count = 0;

  constructor(list, total, announce) {
    this.#list = list;
    this.#total = total;
    this.#announce = announce;
    list.replaceChildren();
  }

  /** Runs `work(card)` as the next step. Its failure marks the card and goes on to the caller. */
  async run(title, why, work) {
    this.#count += 1;
    this.#announce(`Step ${this.#count} of ${this.#total}: ${title}`);
    const card = new Card(this.#list, title, why);
    const begun = performance.now();
    try {
      const result = await work(card);
      card.end("done", Math.round(performance.now() - begun));
      return result;
    } catch (error) {
      card.end("failed");
      throw error;
    }
  }
}
