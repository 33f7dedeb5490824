// One envelope as coloured hex, and under it every field: number, name, place, length, meaning, and who can read it.
// SPDX-License-Identifier: MIT OR Apache-2.0
import { bytesOf, el } from "./dom.mjs";
import { hex, parseEnvelope } from "./scv2.mjs";

/** Longest field that is shown whole at first; of a longer one, so many bytes from both ends. */
const WHOLE = 64;
const [HEAD, TAIL] = [20, 8];

const TYPES = {
  1: "KEY_EXCHANGE: both session keys and the first request",
  2: "SESSION_DATA: a request",
  129: "RESPONSE_DATA: an answer",
};

// Which colour a field has, and whether an edge proxy can make sense of it. Colour never says anything alone: each run of
// bytes begins with the number of its field.
const PARTS = {
  magic: ["header", true], version: ["header", true], type: ["header", true],
  keyIdLen: ["length", true], keyId: ["key-id", true],
  reqKeyLen: ["length", true], encryptedReqKey: ["wrapped", false],
  respKeyLen: ["length", true], encryptedRespKey: ["wrapped", false],
  IV: ["iv", true], ciphertext: ["ciphertext", false], tag: ["tag", false],
};

function meaning({ name, bytes }) {
  const follow = () => `${bytesOf(parseInt(hex(bytes), 16))} follow`;
  const wrapped = (whose) => `the ${whose} key, wrapped under RSA-OAEP-${bytes.length * 8}: only the server unwraps it`;
  switch (name) {
    case "magic": return "the letters SC: this body is an envelope";
    case "version": return bytes[0] === 0x82 ? "2, and the high bit for the bound profile" : "2";
    case "type": return `${bytes[0]}, ${TYPES[bytes[0]]}`;
    case "keyId": return `names the RSA key: ${new TextDecoder().decode(bytes)}`;
    case "encryptedReqKey": return wrapped("request");
    case "encryptedRespKey": return wrapped("response");
    case "IV": return "the nonce of AES-256-GCM, never used twice";
    case "ciphertext": return `${bytesOf(bytes.length)} of JSON, sealed; only the length shows`;
    case "tag": return "fails to verify if one bit was changed";
    default: return follow();
  }
}

const spaced = (bytes) => hex(bytes).replace(/..(?=.)/g, "$& ");

/** The run of one field; a long one in both forms, of which the style sheet shows one. */
function run({ name, bytes }, number) {
  const [part] = PARTS[name];
  const out = el("span", { class: `run part-${part}` }, el("span", { class: "number" }, String(number)));
  if (bytes.length <= WHOLE) {
    out.append(spaced(bytes));
  } else {
    const short = `${spaced(bytes.subarray(0, HEAD))} … ${bytes.length - HEAD - TAIL} more … ${spaced(bytes.subarray(-TAIL))}`;
    out.append(el("span", { class: "short" }, short), el("span", { class: "whole" }, spaced(bytes)));
  }
  return out;
}

function row(field, number) {
  const [part, readable] = PARTS[field.name];
  return el("li", {},
    el("span", { class: `number part-${part}`, "aria-hidden": "true" }, String(number)),
    el("span", { class: "name" }, field.name),
    el("span", { class: "place" }, `offset ${field.offset}, ${bytesOf(field.bytes.length)}`),
    el("span", { class: `mark ${readable ? "readable" : "opaque"}` }, readable ? "readable" : "opaque"),
    el("span", { class: "meaning" }, meaning(field)));
}

/** The button that shows long fields whole; nothing if there is none. */
function lengthener(bytes, total) {
  if (!bytes.querySelector(".short")) return [];
  const all = `Show all ${bytesOf(total)}`;
  const button = el("button", { type: "button", class: "quiet", "aria-expanded": "false" }, all);
  button.addEventListener("click", () => {
    const whole = bytes.classList.toggle("all");
    button.setAttribute("aria-expanded", String(whole));
    button.textContent = whole ? "Shorten long fields" : all;
  });
  return [button];
}

/** The view of one envelope. `title` says which one it is. */
export function envelopeView(title, raw) {
  const { fields } = parseEnvelope(raw);
  const label = `${title}: ${bytesOf(raw.length)} in hexadecimal; the list that follows names its ${fields.length} fields`;
  // Of an image nobody has to listen to byte by byte; the list says what there is to know.
  const bytes = el("div", { class: "bytes", role: "img", "aria-label": label });
  fields.forEach((field, index) => bytes.append(run(field, index + 1), " "));
  return el("div", { class: "envelope" },
    el("p", { class: "caption" }, el("b", {}, title), ` ${bytesOf(raw.length)}`),
    bytes, ...lengthener(bytes, raw.length),
    el("ol", { class: "fields", role: "list", "aria-label": `Fields of: ${title}` }, ...fields.map((field, index) => row(field, index + 1))));
}
