// A Secure Channel v2 client for browsers and Node 20: WebCrypto and fetch, nothing else. Made to be copied.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
//   const client = new Client({ baseUrl: location.origin });
//   await client.fetchKey();
//   await client.drawKeys();
//   await client.createSession();         // or leave it out: then the first request carries the keys (inline)
//   const { status, document } = await client.request(FORGOT_PASSWORD, { email: "user@example.com" });
//   await client.close();
//
// A client holds one session, does not renew it and repeats nothing: what may be repeated only the caller knows
// (PROTOCOL 4.3). The numbers in comments are sections of the protocol document.

/** The message that every server of this project answers (6): its path, and the name that `bound` authenticates. */
export const FORGOT_PASSWORD = { path: "/web/v1/system/auth/password/forgot", name: "password.forgot" };

const KEY_PATH = "/web/v1/secure-channel/public-key";
const SESSION_PATH = "/web/v1/secure-channel/session";
const CLOSE_PATH = "/web/v1/secure-channel/session/close";
const MAX_ENVELOPE = 1_048_576 + 1_316; // 10.6
const MAX_MESSAGES = 65_536; // of one session, 4.3
const TIMEOUT_MS = 30_000;
// WebCrypto takes the hash for MGF1 too, which is what the protocol wants (3).
const OAEP = { name: "RSA-OAEP", hash: "SHA-256" };

/** What the protocol does not allow; the message says why. Nothing of a refused answer is data. */
export class Refused extends Error {
  name = "Refused";
}

/** An answer in the clear where only a sealed one counts, or a plain error of the session endpoints. */
export class PlainAnswer extends Refused {
  name = "PlainAnswer";
  constructor(path, { status, headers, body }) {
    const document = readObject(body);
    const { code, message } = document;
    super(`${path}: plain answer, HTTP ${status}, ${code ? `${code}: ${message}` : "not the protocol's"}`);
    Object.assign(this, { status, document, code });
    this.retryAfter = headers.get("Retry-After"); // seconds, a hint: anybody behind TLS can write it (10.8)
  }
}

/** No answer came; a sealed request may have arrived all the same. `late`: the time was over. */
export class Unreachable extends Error {
  name = "Unreachable";
  constructor(cause) {
    super("no answer", { cause });
    this.late = cause.name === "TimeoutError";
  }
}

/** Throws `Refused` unless the condition holds. */
export function need(condition, why) {
  if (!condition) throw new Refused(why);
}

// --- Bytes ----------------------------------------------------------------------------------------

export const utf8 = (text) => new TextEncoder().encode(text);
export const fromUtf8 = (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
export const random = (size) => crypto.getRandomValues(new Uint8Array(size));
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Standard alphabet, padded, one spelling only: `atob` alone forgives spaces and missing padding. */
export function fromBase64(letters) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(letters), (char) => char.charCodeAt(0));
  } catch {
    throw new Refused("not Base64");
  }
  need(base64(bytes) === letters, "not canonical Base64");
  return bytes;
}

// --- The binary envelope (2) ----------------------------------------------------------------------

/**
 * Parses one envelope, in the order of checks that the protocol gives; no byte is left over.
 * `head` is all before the IV, `sealed` the rest; `fields` names every byte: { name, offset, bytes }.
 */
export function parseEnvelope(raw) {
  need(raw.length <= MAX_ENVELOPE, "too_long");
  need(raw.length >= 4, "too_short");
  need(raw[0] === 0x53 && raw[1] === 0x43, "magic");
  const [version, type] = [raw[2], raw[3]];
  need(version === 2 || (version === 0x82 && type === 1), "version"); // 0x82: type 1 in the bound profile (8)
  need(type === 1 || type === 2 || type === 129, "type");
  const fields = [];
  let at = 0;
  const take = (name, size) => {
    need(raw.length - at >= size, "truncated");
    const bytes = raw.subarray(at, at + size);
    fields.push({ name, offset: at, bytes });
    at += size;
    return bytes;
  };
  take("magic", 2);
  take("version", 1);
  take("type", 1);
  const exchange = type === 1 ? parseExchange(take) : {};
  need(raw.length - at >= 28, "sealed_too_short");
  const head = raw.subarray(0, at);
  const sealed = raw.subarray(at);
  const iv = take("IV", 12);
  take("ciphertext", raw.length - at - 16);
  take("tag", 16);
  return { type, bound: version === 0x82, ...exchange, head, iv, sealed, fields };
}

function parseExchange(take) {
  const [size] = take("keyIdLen", 1);
  need(size > 0, "key_id_length");
  const keyId = take("keyId", size);
  need(keyId.every((byte) => byte >= 0x21 && byte <= 0x7e), "key_id_character");
  const wrapped = [];
  for (const name of ["req", "resp"]) {
    const [high, low] = take(`${name}KeyLen`, 2);
    const length = high * 256 + low;
    need(length >= 256 && length <= 512, "wrapped_key_length");
    need(wrapped.length === 0 || length === wrapped[0].length, "wrapped_keys_differ");
    wrapped.push(take(name === "req" ? "encryptedReqKey" : "encryptedRespKey", length));
  }
  return { keyId: fromUtf8(keyId), wrapped };
}

/** The key exchange as a type 1 envelope carries it; its SHA-256 is the session's `ctx` (8). */
export function exchangeBytes(keyId, wrapped) {
  const id = utf8(keyId);
  const keys = wrapped.flatMap((key) => [Uint8Array.of(key.length >> 8, key.length & 255), key]);
  return concat(Uint8Array.of(id.length), id, ...keys);
}

// --- The text envelope (7) ------------------------------------------------------------------------

// JSON.parse hides duplicate members, so the outer form is matched here: an object of exactly two members, whose
// values are a string and the number 2. JSON.parse then decodes each string on its own.
const STRING = '"(?:[^"\\\\]|\\\\.)*"';
const MEMBER = `(${STRING})[ \t\r\n]*:[ \t\r\n]*(${STRING}|2)`;
const OBJECT = new RegExp(`^[ \t\r\n]*\\{[ \t\r\n]*${MEMBER}[ \t\r\n]*,[ \t\r\n]*${MEMBER}[ \t\r\n]*\\}[ \t\r\n]*$`, "s");

/** Gives IV, ciphertext and tag in one piece, as `open` takes them. */
export function parseTextEnvelope(document) {
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
  const sealed = fromBase64(p);
  need(sealed.length >= 28, "too short");
  return sealed;
}

/** The text envelope of IV, ciphertext and tag. */
export const encodeTextEnvelope = (sealed) => JSON.stringify({ v: 2, p: base64(sealed) });

// --- Cryptography (3, 8) --------------------------------------------------------------------------

/** The four bytes before the IV of types 2 and 129, and the first four of type 1. */
export const header = (type, bound = false) => Uint8Array.of(0x53, 0x43, bound && type === 1 ? 0x82 : 2, type);

const NOTHING = new Uint8Array(0);

/**
 * Empty in the plain profile. In the bound one: `head` (all before the IV), then what the type has of ctx, session id
 * and the IV of the request that is answered, then the message's name (8).
 */
export function associatedData(head, bound, name, { ctx = NOTHING, sessionId = "", requestIv = NOTHING } = {}) {
  return bound ? concat(head, ctx, utf8(sessionId), requestIv, utf8(name)) : NOTHING;
}

/** Imports 32 bytes as a key that scripts cannot read back. `use` is "encrypt" or "decrypt". */
export const aesKey = (raw, use) => crypto.subtle.importKey("raw", raw, "AES-GCM", false, [use]);

/** Seals under a fresh random IV; a caller cannot choose one. */
export async function seal(key, head, additionalData, plaintext) {
  const iv = random(12);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, key, plaintext);
  return { iv, envelope: concat(head, iv, new Uint8Array(sealed)) };
}

/** Opens IV, ciphertext and tag; WebCrypto gives nothing before the tag has verified. */
export async function open(key, sealed, additionalData) {
  const how = { name: "AES-GCM", iv: sealed.subarray(0, 12), additionalData };
  const opened = crypto.subtle.decrypt(how, key, sealed.subarray(12)).catch(() => { throw new Refused("does not open"); });
  return new Uint8Array(await opened);
}

/** Imports an RSA public key, given as SPKI DER, to wrap under. */
export const rsaKey = (spki) => crypto.subtle.importKey("spki", spki, OAEP, false, ["encrypt"])
  .catch(() => { throw new Refused("not an RSA public key"); });

/** Wraps a 32-byte key: RSA-OAEP, SHA-256 as the hash and in MGF1, no label. */
export const wrap = async (publicKey, key) => new Uint8Array(await crypto.subtle.encrypt(OAEP, publicKey, key));

// --- The client (4, 5) ----------------------------------------------------------------------------

export class Client {
  #options;
  #publicKey = null;
  #exchange = null; // what a set-up sends, once
  #keys = null; // { request, response }: not extractable
  #ctx = null;
  #sealedMessages = 0;

  /**
   * - `baseUrl`: where the server is; no default.
   * - `bound`: the profile, true by default: a server that does not offer `bound` is refused then.
   * - `clientHash`: the device fingerprint that the session is bound to; random by default.
   * - `language`: of the server's messages, "en" by default.
   * - `pins`: SHA-256 of accepted SPKIs in lower-case hex; none by default, which trusts whoever sits behind TLS.
   * - `onWire`: is told each request and answer as it passed: what an edge proxy reads.
   */
  constructor({ baseUrl, bound = true, clientHash = hex(random(16)), language = "en", pins = [], onWire = () => {} }) {
    this.#options = { baseUrl: baseUrl.replace(/\/+$/, ""), bound, clientHash, language, pins, onWire };
    this.sessionId = null;
    this.expiresAt = null; // epoch milliseconds, by the server's clock
  }

  /** Gets the server's newest RSA key and gives its document (4.1, step 1). */
  async fetchKey() {
    const { bound, pins } = this.#options;
    const document = await this.#plain("GET", KEY_PATH);
    const { profiles, publicKey } = document;
    need(!bound || (Array.isArray(profiles) && profiles.includes("bound")), "the server does not offer the bound profile");
    need(typeof publicKey === "string" && typeof document.keyId === "string", "form of the key's document");
    const spki = fromBase64(publicKey);
    need(pins.length === 0 || pins.includes(hex(await sha256(spki))), "the RSA key is not a pinned one");
    const key = await rsaKey(spki);
    const bits = key.algorithm.modulusLength;
    need(bits === document.keySize && bits >= 2048 && bits <= 4096, "size of the RSA key");
    need(document.algorithm === `RSA-OAEP-${bits}`, "algorithm of the RSA key");
    this.#publicKey = { id: document.keyId, key };
    return document;
  }

  /** Draws the two session keys and wraps each under the RSA key; gives the wrapped ones (4.1, step 2). */
  async drawKeys() {
    need(this.#publicKey, "fetchKey comes first");
    const { id: keyId, key } = this.#publicKey;
    const [request, response] = [random(32), random(32)];
    const wrapped = [await wrap(key, request), await wrap(key, response)];
    const bytes = exchangeBytes(keyId, wrapped);
    this.#keys = { request: await aesKey(request, "encrypt"), response: await aesKey(response, "decrypt") };
    request.fill(0);
    response.fill(0);
    this.#ctx = await sha256(bytes);
    this.#exchange = { keyId, wrapped, bytes };
    this.#sealedMessages = 0;
    this.sessionId = null;
    return { keyId, wrapped };
  }

  /** Sets the session up by its endpoint; gives the answer's data (4.1, step 3). */
  async createSession() {
    const { keyId, wrapped } = this.#takeExchange();
    const [encReqKey, encRespKey] = wrapped.map(base64);
    const profile = this.#options.bound ? "bound" : "plain";
    const body = { keyId, encReqKey, encRespKey, ...(this.#options.bound && { profile }) };
    const data = await this.#plain("POST", SESSION_PATH, utf8(JSON.stringify(body)));
    need((data.profile ?? "plain") === profile, "profile of the session");
    this.#takeSession(data.sessionId, data.expiresAt);
    return data;
  }

  /** Seals `value` as JSON, sends it, opens the answer: `{ status, headers, document }`, errors of the message among them. */
  async request(message, value) {
    const pending = await this.seal(message, utf8(JSON.stringify(value)));
    return this.open(pending, await this.send(pending));
  }

  /** Seals bytes: type 2 in a session, else type 1, whose answer opens one (4.2). Gives what `send` and `open` take. */
  async seal(message, plaintext) {
    need(this.#keys, "drawKeys comes first");
    need(this.#sealedMessages < MAX_MESSAGES, "the session is used up");
    this.#sealedMessages += 1;
    const inline = this.sessionId === null;
    const { bound } = this.#options;
    const head = inline ? concat(header(1, bound), this.#takeExchange().bytes) : header(2);
    const data = associatedData(head, bound, message.name, inline ? {} : { ctx: this.#ctx, sessionId: this.sessionId });
    const { iv, envelope } = await seal(this.#keys.request, head, data, plaintext);
    return { message, inline, sessionId: this.sessionId, iv, envelope, associatedData: data };
  }

  /** Sends a sealed request. A plain answer is an error whatever its status, and never data (5). */
  async send(pending) {
    const { path } = pending.message;
    const answer = await this.#http("POST", path, pending.envelope, pending.sessionId);
    if (answer.body[0] !== 0x53 || answer.body[1] !== 0x43) throw new PlainAnswer(path, answer);
    return answer;
  }

  /** Opens the answer to a sealed request. */
  async open(pending, { status, headers, body }) {
    need(this.#keys, "the session is closed");
    const answer = parseEnvelope(body);
    need(answer.type === 129, `answer of type ${answer.type}`);
    const sessionId = pending.inline ? headers.get("X-SC-Session-Id") : pending.sessionId;
    const session = { ctx: this.#ctx, sessionId: sessionId ?? "", requestIv: pending.iv };
    const data = associatedData(answer.head, this.#options.bound, pending.message.name, session);
    const plaintext = await open(this.#keys.response, answer.sealed, data);
    if (pending.inline) this.#takeSession(sessionId, Number(headers.get("X-SC-Expires-At") ?? NaN));
    return { status, headers, plaintext, associatedData: data, document: readObject(plaintext) };
  }

  /** Forgets the keys and ends the session, if there is one. Closing twice is no error (4.3). */
  async close() {
    this.#keys = null;
    if (this.sessionId) await this.#plain("POST", CLOSE_PATH, undefined, this.sessionId);
  }

  /** Set-up bytes are never sent twice: the server takes a wrapped key once (10.8). */
  #takeExchange() {
    const exchange = this.#exchange;
    need(exchange, "drawKeys comes first, before every set-up");
    this.#exchange = null;
    return exchange;
  }

  #takeSession(sessionId, expiresAt) {
    need(/^sess_[A-Za-z0-9_-]{32}$/.test(sessionId ?? ""), "form of the session id");
    need(Number.isSafeInteger(expiresAt), "expiresAt");
    Object.assign(this, { sessionId, expiresAt });
  }

  /** A plain request; gives `data` of an answer that is a success. */
  async #plain(method, path, body, sessionId) {
    const answer = await this.#http(method, path, body, sessionId);
    const document = readObject(answer.body);
    if (!isSuccess(answer.status, document)) throw new PlainAnswer(path, answer);
    need(isObject(document.data), `${path}: data`);
    return document.data;
  }

  async #http(method, path, body, sessionId) {
    const { baseUrl, clientHash, language, onWire } = this.#options;
    const headers = {
      Accept: "application/json", "Accept-Language": language, "X-Client-Hash": clientHash, "X-SC-Version": "2",
      "X-Request-Id": crypto.randomUUID(),
      // Of envelopes too: the receiver goes by the magic bytes (5).
      ...(body && { "Content-Type": "application/json;charset=UTF-8" }),
      ...(sessionId && { "X-SC-Session-Id": sessionId }),
    };
    const request = { method, path, headers, body: body ?? NOTHING };
    const how = { method, headers, body, redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) };
    const answer = await exchange(baseUrl + path, how);
    onWire(request, answer);
    return answer;
  }
}

/** One request and its answer, whatever that is. A redirect is never followed; browsers do not even show it to scripts. */
async function exchange(url, how) {
  let response, body;
  try {
    response = await fetch(url, how);
    body = new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    throw new Unreachable(cause);
  }
  need(response.type !== "opaqueredirect", "a redirect");
  return { status: response.status, headers: response.headers, body };
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** The JSON object in some bytes; an empty one if there is none, which is no success. */
function readObject(bytes) {
  try {
    const value = JSON.parse(fromUtf8(bytes));
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

/** Whether an answer has the form of a success (5). */
export function isSuccess(status, document) {
  return status === 200 && document?.success === true && document.code === "2000"
    && document.version === "2.0.0" && Number.isSafeInteger(document.timestamp);
}
