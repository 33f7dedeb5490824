// A Secure Channel v2 client in JavaScript (WebCrypto and fetch only), from PROTOCOL.md alone.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
//   node scv2.mjs --base-url URL [--email E] [--inline] [--bound]
//   node scv2.mjs --vectors DIR
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { subtle } = crypto;
const MAX_ENVELOPE = 1_048_576 + 1_316;
const MESSAGE = "password.forgot";
const PATH = "/web/v1/system/auth/password/forgot";
const OAEP = { name: "RSA-OAEP", hash: "SHA-256" }; // WebCrypto uses the hash in MGF1 too, as SCv2 wants

class Refused extends Error {}
function need(condition, why) {
  if (!condition) throw new Refused(why);
}

const utf8 = (text) => new TextEncoder().encode(text);
const text = (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const unhex = (digits) => Buffer.from(digits, "hex");
const concat = (...parts) => Buffer.concat(parts);
const random = (size) => crypto.getRandomValues(new Uint8Array(size));
const base64 = (bytes) => Buffer.from(bytes).toString("base64");
function unbase64(letters) {
  const bytes = Buffer.from(letters, "base64"); // lenient, so compare with what it should have been
  need(base64(bytes) === letters, "not canonical Base64");
  return bytes;
}

// --- Envelope (PROTOCOL 2) ------------------------------------------------------------------------

function parse(raw) {
  need(raw.length <= MAX_ENVELOPE, "too_long");
  need(raw.length >= 4, "too_short");
  need(raw[0] === 0x53 && raw[1] === 0x43, "magic");
  const [version, type] = [raw[2], raw[3]];
  need(version === 2 || (version === 0x82 && type === 1), "version");
  need([1, 2, 129].includes(type), "type");
  let at = 4;
  const take = (size) => {
    need(raw.length - at >= size, "truncated");
    at += size;
    return raw.subarray(at - size, at);
  };
  const out = { type, bound: version === 0x82 };
  if (type === 1) {
    const size = take(1)[0];
    need(size > 0, "key_id_length");
    const keyId = take(size);
    need(keyId.every((c) => c >= 0x21 && c <= 0x7e), "key_id_character");
    out.keyId = text(keyId);
    out.wrapped = [];
    for (let i = 0; i < 2; i++) {
      const [high, low] = take(2);
      const length = high * 256 + low;
      need(length >= 256 && length <= 512, "wrapped_key_length");
      need(i === 0 || length === out.wrapped[0].length, "wrapped_keys_differ");
      out.wrapped.push(take(length));
    }
  }
  need(raw.length - at >= 28, "sealed_too_short");
  return { ...out, head: raw.subarray(0, at), iv: raw.subarray(at, at + 12), sealed: raw.subarray(at) };
}

// PROTOCOL 7. JSON.parse hides duplicate members, so the outer form is matched here: an object of
// exactly two members, a string and the number 2; JSON.parse then decodes each string on its own.
const STRING = '"(?:[^"\\\\]|\\\\.)*"';
const MEMBER = `(${STRING})[ \t\r\n]*:[ \t\r\n]*(${STRING}|2)`;
const OBJECT = new RegExp(`^[ \t\r\n]*\\{[ \t\r\n]*${MEMBER}[ \t\r\n]*,[ \t\r\n]*${MEMBER}[ \t\r\n]*\\}[ \t\r\n]*$`, "s");

function parseText(document) {
  const match = OBJECT.exec(document);
  need(match, "not an object of v and p");
  let values;
  try {
    values = match.slice(1).map((one) => JSON.parse(one));
  } catch (error) {
    throw new Refused(`not JSON: ${error.message}`);
  }
  const [first, , second] = values;
  need((first === "v" && second === "p") || (first === "p" && second === "v"), "members");
  const [v, p] = first === "v" ? [values[1], values[3]] : [values[3], values[1]];
  need(v === 2 && typeof p === "string", "v or p");
  const sealed = unbase64(p);
  need(sealed.length >= 28, "too short");
  return sealed;
}

// --- Cryptography (PROTOCOL 3 and 8) --------------------------------------------------------------

function exchangeBytes(keyId, wrapped) {
  const id = utf8(keyId);
  const parts = [Uint8Array.of(id.length), id];
  for (const one of wrapped) parts.push(Uint8Array.of(one.length >> 8, one.length & 255), one);
  return concat(...parts);
}

const sha256 = async (bytes) => Buffer.from(await subtle.digest("SHA-256", bytes));

// `head` is everything before the IV; ctx, session id and request IV where the type has them.
function associatedData(head, bound, message, { ctx = "", sessionId = "", requestIv = "" } = {}) {
  if (!bound) return Buffer.alloc(0);
  return concat(head, Buffer.from(ctx), utf8(sessionId), Buffer.from(requestIv), utf8(message));
}

const aesKey = (key, use) => subtle.importKey("raw", key, "AES-GCM", false, [use]);

async function seal(key, head, additionalData, plaintext) {
  const iv = random(12);
  const sealed = await subtle.encrypt({ name: "AES-GCM", iv, additionalData }, await aesKey(key, "encrypt"), plaintext);
  return { iv, envelope: concat(head, iv, Buffer.from(sealed)) };
}

async function open(key, sealed, additionalData) {
  const imported = await aesKey(key, "decrypt");
  try {
    const how = { name: "AES-GCM", iv: sealed.subarray(0, 12), additionalData };
    return Buffer.from(await subtle.decrypt(how, imported, sealed.subarray(12)));
  } catch {
    throw new Refused("does not open");
  }
}

// For the vectors only: a client never unwraps.
async function unwrap(privateKey, wrapped) {
  need(wrapped.length === privateKey.algorithm.modulusLength / 8, "wrapped length"); // WebCrypto takes shorter ones
  let key;
  try {
    key = Buffer.from(await subtle.decrypt(OAEP, privateKey, wrapped));
  } catch {
    throw new Refused("does not unwrap");
  }
  need(key.length === 32, "unwrapped length");
  return key;
}

// --- Client (PROTOCOL 4 to 6) ---------------------------------------------------------------------

// Checks the JSON form that every successful answer has, sealed or plain.
function success(what, status, raw) {
  let doc;
  try {
    doc = JSON.parse(text(raw));
  } catch {
    throw new Refused(`${what}: HTTP ${status}, not JSON`);
  }
  const shown = `${what}: HTTP ${status} ${JSON.stringify(doc)}`;
  need(status === 200 && doc?.success === true && doc.code === "2000", shown);
  need(doc.version === "2.0.0" && Number.isSafeInteger(doc.timestamp), shown);
  return doc;
}

class Client {
  constructor(baseUrl, bound) {
    this.base = baseUrl.replace(/\/+$/, "");
    this.bound = bound;
    this.hash = `peer-node-${hex(random(8))}`;
    this.requestKey = random(32);
    this.responseKey = random(32);
    this.sessionId = null;
  }

  async http(method, path, body, sessionId) {
    const id = crypto.randomUUID();
    const headers = {
      "X-Client-Hash": this.hash, "X-SC-Version": "2", "X-Request-Id": id,
      Accept: "application/json", "Accept-Language": "en",
    };
    if (body) headers["Content-Type"] = "application/json;charset=UTF-8";
    if (sessionId) headers["X-SC-Session-Id"] = sessionId;
    const how = { method, headers, body, redirect: "error", signal: AbortSignal.timeout(30_000) };
    const answer = await fetch(this.base + path, how);
    const raw = Buffer.from(await answer.arrayBuffer());
    need(answer.headers.get("X-Request-Id") === id, `${path}: X-Request-Id is not echoed`);
    return { status: answer.status, headers: answer.headers, raw };
  }

  // A plain JSON answer of the success form; returns its `data`.
  async plain(method, path, body, sessionId) {
    const { status, raw } = await this.http(method, path, body, sessionId);
    return success(path, status, raw).data;
  }

  async fetchKey() {
    const doc = await this.plain("GET", "/web/v1/secure-channel/public-key");
    need(!this.bound || doc.profiles?.includes("bound"), "the server does not offer the profile bound");
    const key = await subtle.importKey("spki", unbase64(doc.publicKey), OAEP, false, ["encrypt"]);
    const bits = key.algorithm.modulusLength;
    need(bits === doc.keySize && bits >= 2048 && bits <= 4096, "key size");
    need(doc.algorithm === `RSA-OAEP-${bits}`, "algorithm");
    this.keyId = doc.keyId;
    this.wrapped = [];
    for (const one of [this.requestKey, this.responseKey]) {
      this.wrapped.push(Buffer.from(await subtle.encrypt(OAEP, key, one)));
    }
    this.exchange = exchangeBytes(this.keyId, this.wrapped);
    this.ctx = await sha256(this.exchange);
  }

  async createSession() {
    const [encReqKey, encRespKey] = this.wrapped.map(base64);
    const body = { keyId: this.keyId, encReqKey, encRespKey };
    if (this.bound) body.profile = "bound";
    const data = await this.plain("POST", "/web/v1/secure-channel/session", JSON.stringify(body));
    need((data.profile ?? "plain") === (this.bound ? "bound" : "plain"), "profile of the session");
    need(Number.isSafeInteger(data.expiresAt), "expiresAt");
    this.takeSession(data.sessionId);
  }

  takeSession(sessionId) {
    need(/^sess_[A-Za-z0-9_-]{32}$/.test(sessionId ?? ""), `session id ${sessionId}`);
    this.sessionId = sessionId;
  }

  // What associated data needs beyond head and message, except in type 1.
  session(requestIv) {
    return { ctx: this.ctx, sessionId: this.sessionId, requestIv };
  }

  // Sends one sealed request (type 1 while there is no session) and opens its answer.
  async request(path, message, plaintext) {
    const inline = this.sessionId === null;
    const head = inline
      ? concat(Uint8Array.of(0x53, 0x43, this.bound ? 0x82 : 2, 1), this.exchange)
      : Uint8Array.of(0x53, 0x43, 2, 2);
    const data = associatedData(head, this.bound, message, inline ? {} : this.session());
    const { iv, envelope } = await seal(this.requestKey, head, data, plaintext);
    const { status, headers, raw } = await this.http("POST", path, envelope, this.sessionId);
    need(raw[0] === 0x53 && raw[1] === 0x43, `plain answer to a sealed request: HTTP ${status} ${raw.toString("latin1", 0, 300)}`);
    const answer = parse(raw);
    need(answer.type === 129, `answer of type ${answer.type}`);
    if (inline) {
      this.takeSession(headers.get("X-SC-Session-Id"));
      need(/^[0-9]+$/.test(headers.get("X-SC-Expires-At") ?? ""), "X-SC-Expires-At");
    }
    const answerData = associatedData(answer.head, this.bound, message, this.session(iv));
    return { status, opened: await open(this.responseKey, answer.sealed, answerData) };
  }

  async close() {
    await this.plain("POST", "/web/v1/secure-channel/session/close", undefined, this.sessionId);
  }

  // After close: plain JSON, 404, SESSION_NOT_FOUND.
  async requestIsRefused(path, message, plaintext) {
    const head = Uint8Array.of(0x53, 0x43, 2, 2);
    const data = associatedData(head, this.bound, message, this.session());
    const { envelope } = await seal(this.requestKey, head, data, plaintext);
    const { status, raw } = await this.http("POST", path, envelope, this.sessionId);
    need(status === 404 && raw[0] === 0x7b, `after close: HTTP ${status}`);
    const doc = JSON.parse(text(raw));
    need(doc.success === false && doc.code === "SECURE_CHANNEL.SESSION_NOT_FOUND", `after close: ${raw}`);
  }
}

async function run(options) {
  const client = new Client(options["base-url"], options.bound);
  const email = options.email ?? `peer-${hex(random(6))}@example.com`;
  const payload = utf8(JSON.stringify({ email }));
  await client.fetchKey();
  if (!options.inline) await client.createSession();
  for (let i = 0; i < 2; i++) { // with --inline the first is type 1; the second is always type 2
    const { status, opened } = await client.request(PATH, MESSAGE, payload);
    console.log(text(opened));
    need(success("sealed answer", status, opened).data?.success === true, "data.success");
  }
  await client.close();
  await client.close();
  await client.requestIsRefused(PATH, MESSAGE, payload);
}

// --- Vectors --------------------------------------------------------------------------------------

async function refused(work) {
  try {
    await work();
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
  throw new Refused("accepted");
}

const sessionOf = (v) => ({ ctx: unhex(v.ctx ?? ""), sessionId: v.session_id, requestIv: unhex(v.request_iv ?? "") });

// Opens a record of envelopes.json as its receiver would.
async function openVector(keys, v) {
  const e = parse(unhex(v.envelope));
  const bound = v.profile === "bound";
  need(e.type === v.type && hex(e.iv) === v.iv, "fields");
  if (e.type === 1) {
    need(e.bound === bound && e.keyId === v.key_id, "fields");
    need(hex(e.wrapped[0]) === v.enc_req_key && hex(e.wrapped[1]) === v.enc_resp_key, "fields");
    need(hex(await sha256(exchangeBytes(e.keyId, e.wrapped))) === v.ctx, "ctx");
    const pair = [hex(await unwrap(keys[v.bits], e.wrapped[0])), hex(await unwrap(keys[v.bits], e.wrapped[1]))];
    need(pair[0] !== pair[1], "the two keys are equal");
    need(pair[0] === v.request_key && pair[1] === v.response_key, "keys");
  }
  const data = associatedData(e.head, bound, v.message ?? "", e.type === 1 ? {} : sessionOf(v));
  need(hex(data) === v.associated_data, "associated data");
  return hex(await open(unhex(e.type === 129 ? v.response_key : v.request_key), e.sealed, data));
}

async function openTextVector(v) {
  const sealed = parseText(v.text);
  need(hex(sealed.subarray(0, 12)) === v.iv, "iv");
  const head = Uint8Array.of(0x53, 0x43, 2, v.direction === "request" ? 2 : 129);
  const data = associatedData(head, v.profile === "bound", v.message ?? "", sessionOf(v));
  need(hex(data) === v.associated_data, "associated data");
  return hex(await open(unhex(v.key), sealed, data));
}

function spread(v) {
  if ("bytes" in v) return unhex(v.bytes);
  const { prefix, byte, count } = v.repeat;
  return concat(unhex(prefix), Buffer.alloc(count, unhex(byte)));
}

const ownMistakes = ["fields", "ctx", "associated data", "keys", "iv"]; // not what a bad vector may fail by

async function vectors(folder) {
  const load = (name) => JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
  const files = { envelopes: load("envelopes"), oaep: load("oaep"), text: load("text") };
  const keys = {};
  for (const k of load("keys").keys) {
    keys[k.bits] = await subtle.importKey("pkcs8", unhex(k.pkcs8_der), OAEP, false, ["decrypt"]);
  }
  const counts = {};
  const each = async (file, part, check) => {
    for (const v of files[file][part]) {
      const name = `${file}.${part}: ${v.name ?? v.why ?? v.bits}`;
      let good = false;
      try {
        good = await check(v);
      } catch (error) {
        throw new Refused(`${name}: ${error.message}`);
      }
      need(good, name);
    }
    counts[`${file}.${part}`] = files[file][part].length;
  };
  const doesNotOpen = async (work) => !ownMistakes.includes(await refused(work));
  await each("envelopes", "positive", async (v) => (await openVector(keys, v)) === v.plaintext);
  await each("envelopes", "parses", async (v) => parse(spread(v)).type === v.type);
  await each("envelopes", "negative", async (v) => (await refused(() => parse(spread(v)))) === v.error);
  await each("envelopes", "open_failures", (v) => doesNotOpen(() => openVector(keys, v)));
  await each("oaep", "ok", async (v) => hex(await unwrap(keys[v.bits], unhex(v.wrapped))) === v.key);
  await each("oaep", "failures", (v) => refused(() => unwrap(keys[v.bits], unhex(v.wrapped))));
  await each("text", "positive", async (v) => (await openTextVector(v)) === v.plaintext);
  await each("text", "negative", (v) => refused(() => parseText(v.text)));
  await each("text", "open_failures", (v) => doesNotOpen(() => openTextVector(v)));
  const numbers = Object.values(counts);
  need(numbers.length > 0 && numbers.every((n) => n > 0), "an empty list of vectors");
  const total = numbers.reduce((a, b) => a + b);
  console.log(`vectors: ${total} checked (${Object.entries(counts).map(([n, c]) => `${n} ${c}`).join(", ")})`);
}

try {
  const { values } = parseArgs({
    options: {
      "base-url": { type: "string" }, vectors: { type: "string" }, email: { type: "string" },
      inline: { type: "boolean", default: false }, bound: { type: "boolean", default: false },
    },
  });
  need(!values["base-url"] !== !values.vectors, "usage: --base-url URL [--email E] [--inline] [--bound] | --vectors DIR");
  await (values.vectors ? vectors(values.vectors) : run(values));
} catch (error) {
  console.error(`scv2.mjs: ${error.name}: ${error.message}${error.cause ? ` (${error.cause.message})` : ""}`);
  process.exitCode = 1;
}
