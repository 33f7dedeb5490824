// Checks the project's test vectors with the JavaScript module, in Node and in a browser: no file access.
// SPDX-License-Identifier: MIT OR Apache-2.0

import { replayTrace } from "./traces.mjs";

/** The files that `checkVectors` takes, without ".json"; all but keys may be missing. */
export const FILES = ["keys", "envelopes", "oaep", "text", "traces"];

export const unhex = (digits) => Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));

// What tells of a mistake in this program or in a vector's description; a bad vector must fail by something else.
const OWN_MISTAKES = ["fields", "ctx", "associated data", "keys", "iv"];

/**
 * Checks every list in `files`, the parsed JSON files by name, with `scv2`, the module under test. Gives the line
 * that says how many were checked; throws at the first that does not hold.
 */
export async function checkVectors(scv2, files) {
  const counts = {};
  for (const [name, check] of Object.entries(await checks(scv2, files))) {
    const [file, part] = name.split(".");
    const list = files[file]?.[part];
    if (list === undefined) continue;
    for (const vector of list) await checkOne(scv2, `${name}: ${vector.name ?? vector.why ?? vector.bits}`, check, vector);
    scv2.need(list.length > 0, `${name}: an empty list`);
    counts[name] = list.length;
  }
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  scv2.need(total > 0, "no vectors");
  return `vectors: ${total} checked (${Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", ")})`;
}

async function checkOne(scv2, name, check, vector) {
  let holds;
  try {
    holds = await check(vector);
  } catch (error) {
    throw new scv2.Refused(`${name}: ${error.message}`);
  }
  scv2.need(holds, name);
}

/** What each list claims: add a line here for a new one. */
async function checks(scv2, files) {
  const { hex, parseEnvelope, parseTextEnvelope } = scv2;
  const keys = await privateKeys(files.keys);
  const unwrap = (v) => unwrapKey(scv2, keys[v.bits], unhex(v.wrapped));
  const rsa = (bits) => ({
    unwrap: (wrapped) => unwrapKey(scv2, keys[bits], wrapped),
    spki: files.keys.keys.find((key) => key.bits === bits).spki_base64,
  });
  const why = (work) => refused(scv2, work);
  const doesNotOpen = async (work) => !OWN_MISTAKES.includes(await why(work));
  return {
    "envelopes.positive": async (v) => (await openEnvelope(scv2, keys, v)) === v.plaintext,
    "envelopes.parses": (v) => parseEnvelope(spread(scv2, v)).type === v.type,
    "envelopes.negative": async (v) => (await why(() => parseEnvelope(spread(scv2, v)))) === v.error,
    "envelopes.open_failures": (v) => doesNotOpen(() => openEnvelope(scv2, keys, v)),
    "oaep.ok": async (v) => hex(await unwrap(v)) === v.key,
    "oaep.failures": (v) => why(() => unwrap(v)),
    "text.positive": async (v) => (await openText(scv2, v)) === v.plaintext,
    "text.negative": (v) => why(() => parseTextEnvelope(v.text)),
    "text.open_failures": (v) => doesNotOpen(() => openText(scv2, v)),
    "traces.traces": (v) => replayTrace(scv2, rsa(v.bits), v),
  };
}

/** Why the module refused; an error of another kind is a fault of the module, and acceptance too. */
async function refused(scv2, work) {
  try {
    await work();
  } catch (error) {
    if (error instanceof scv2.Refused) return error.message;
    throw error;
  }
  throw new scv2.Refused("accepted");
}

// --- Unwrapping, which a client never does (PROTOCOL 3) --------------------------------------------

const OAEP = { name: "RSA-OAEP", hash: "SHA-256" };

async function privateKeys({ keys }) {
  const pairs = keys.map(async ({ bits, pkcs8_der: der }) => [
    bits, await crypto.subtle.importKey("pkcs8", unhex(der), OAEP, false, ["decrypt"]),
  ]);
  return Object.fromEntries(await Promise.all(pairs));
}

async function unwrapKey(scv2, privateKey, wrapped) {
  // WebCrypto takes shorter ones too, of which the number alone counts.
  scv2.need(wrapped.length === privateKey.algorithm.modulusLength / 8, "wrapped length");
  let key;
  try {
    key = new Uint8Array(await crypto.subtle.decrypt(OAEP, privateKey, wrapped));
  } catch {
    throw new scv2.Refused("does not unwrap");
  }
  scv2.need(key.length === 32, "unwrapped length");
  return key;
}

// --- Opening, as the receiver of each type would ---------------------------------------------------

async function openEnvelope(scv2, keys, v) {
  const { hex, need } = scv2;
  const envelope = scv2.parseEnvelope(unhex(v.envelope));
  const bound = v.profile === "bound";
  need(envelope.type === v.type && hex(envelope.iv) === v.iv, "fields");
  need(hex(scv2.concat(...envelope.fields.map((field) => field.bytes))) === v.envelope, "fields");
  if (envelope.type === 1) await checkExchange(scv2, keys, envelope, v);
  const data = scv2.associatedData(envelope.head, bound, v.message ?? "", envelope.type === 1 ? {} : sessionOf(v));
  need(hex(data) === v.associated_data, "associated data");
  const key = await scv2.aesKey(unhex(envelope.type === 129 ? v.response_key : v.request_key), "decrypt");
  return hex(await scv2.open(key, envelope.sealed, data));
}

async function checkExchange(scv2, keys, envelope, v) {
  const { hex, need } = scv2;
  const { keyId, wrapped } = envelope;
  need(envelope.bound === (v.profile === "bound") && keyId === v.key_id, "fields");
  need(hex(wrapped[0]) === v.enc_req_key && hex(wrapped[1]) === v.enc_resp_key, "fields");
  need(hex(await scv2.sha256(scv2.exchangeBytes(keyId, wrapped))) === v.ctx, "ctx");
  const [request, response] = [
    hex(await unwrapKey(scv2, keys[v.bits], wrapped[0])), hex(await unwrapKey(scv2, keys[v.bits], wrapped[1])),
  ];
  need(request !== response, "the two keys are equal");
  need(request === v.request_key && response === v.response_key, "keys");
}

async function openText(scv2, v) {
  const sealed = scv2.parseTextEnvelope(v.text);
  scv2.need(scv2.hex(sealed.subarray(0, 12)) === v.iv, "iv");
  const head = scv2.header(v.direction === "request" ? 2 : 129);
  const data = scv2.associatedData(head, v.profile === "bound", v.message ?? "", sessionOf(v));
  scv2.need(scv2.hex(data) === v.associated_data, "associated data");
  return scv2.hex(await scv2.open(await scv2.aesKey(unhex(v.key), "decrypt"), sealed, data));
}

/** What the associated data of types 2 and 129 holds beside head and name. */
const sessionOf = (v) => ({ ctx: unhex(v.ctx ?? ""), sessionId: v.session_id, requestIv: unhex(v.request_iv ?? "") });

/** The bytes of a vector; giant ones are given as a repetition. */
function spread(scv2, v) {
  if ("bytes" in v) return unhex(v.bytes);
  const { prefix, byte, count } = v.repeat;
  return scv2.concat(unhex(prefix), new Uint8Array(count).fill(parseInt(byte, 16)));
}
