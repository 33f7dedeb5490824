// Replays a trace of sc-core/vectors/traces.json with the JavaScript module, as client and as server; Node and browsers.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// WebCrypto lets nobody choose the seed of an OAEP wrap, so the wrapped keys are taken as given, and `unwrap` opens them.

const CHANNEL = "/web/v1/secure-channel";
const PATHS = { key: `${CHANNEL}/public-key`, "set-up": `${CHANNEL}/session`, close: `${CHANNEL}/session/close` };
const FORGOT = "/web/v1/system/auth/password/forgot";

const unhex = (digits) => Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const json = (bytes) => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));

/**
 * Replays `trace`; throws at the first step that deviates. `scv2` is the module under test; `unwrap` takes a wrapped
 * key (bytes) and gives the key (bytes) or throws; `spki` is the RSA key's public part in Base64.
 */
export async function replayTrace(scv2, { unwrap, spki }, trace) {
  const replay = new Replay(scv2, unwrap, spki, trace);
  scv2.need(scv2.hex(await scv2.sha256(replay.exchange)) === trace.ctx, "ctx");
  for (const step of trace.steps) {
    try {
      await replay.step(step);
    } catch (error) {
      throw new scv2.Refused(`${step.name}: ${error.message}`);
    }
  }
  return trace.steps.length > 0;
}

class Replay {
  constructor(scv2, unwrap, spki, trace) {
    Object.assign(this, { scv2, unwrap, spki, trace, bound: trace.profile === "bound", text: trace.way === "text" });
    this.wrapped = [unhex(trace.enc_req_key), unhex(trace.enc_resp_key)];
    this.exchange = scv2.exchangeBytes(trace.key_id, this.wrapped);
  }

  key(type, use) {
    return this.scv2.aesKey(unhex(type === 129 ? this.trace.response_key : this.trace.request_key), use);
  }

  data(head, type, message, requestIv) {
    const session = { ctx: unhex(this.trace.ctx), sessionId: this.trace.session_id, ...(requestIv && { requestIv }) };
    return this.scv2.associatedData(head, this.bound, message, type === 1 ? {} : session);
  }

  /** The bytes on the wire for the record `s`, in hex; `flip` changes the last byte of the tag. */
  async seal(s, requestIv, flip = 0) {
    const { scv2 } = this;
    const prefix = scv2.header(s.type, s.type === 1 && this.bound);
    const head = s.type === 1 ? scv2.concat(prefix, this.exchange) : prefix;
    const additionalData = this.data(head, s.type, s.message, requestIv);
    scv2.need(scv2.hex(additionalData) === s.associated_data, "associated data");
    const how = { name: "AES-GCM", iv: unhex(s.iv), additionalData };
    const tagged = new Uint8Array(await crypto.subtle.encrypt(how, await this.key(s.type, "encrypt"), unhex(s.plaintext)));
    tagged[tagged.length - 1] ^= flip;
    const sealed = scv2.concat(unhex(s.iv), tagged);
    return scv2.hex(this.text ? scv2.utf8(scv2.encodeTextEnvelope(sealed)) : scv2.concat(head, sealed));
  }

  /** What the receiver of `body` reads; of a type 1 envelope it takes the keys too. */
  async open(body, s, requestIv) {
    const { scv2 } = this;
    const envelope = this.text
      ? { type: s.type, head: scv2.header(s.type), sealed: scv2.parseTextEnvelope(new TextDecoder().decode(body)) }
      : scv2.parseEnvelope(body);
    scv2.need(envelope.type === s.type, "type");
    if (s.type === 1) {
      scv2.need(envelope.bound === this.bound && envelope.keyId === this.trace.key_id, "set-up");
      await this.unwrapBoth(envelope.wrapped);
    }
    const data = this.data(envelope.head, s.type, s.message, requestIv);
    return scv2.open(await this.key(s.type, "decrypt"), envelope.sealed, data);
  }

  async unwrapBoth([request, response]) {
    const { hex, need } = this.scv2;
    need(hex(await this.unwrap(request)) === this.trace.request_key, "request key");
    need(hex(await this.unwrap(response)) === this.trace.response_key, "response key");
  }

  setUpBody() {
    const [encReqKey, encRespKey] = this.wrapped.map((one) => this.scv2.base64(one));
    const document = { keyId: this.trace.key_id, encReqKey, encRespKey, ...(this.bound && { profile: "bound" }) };
    return this.scv2.hex(this.scv2.utf8(JSON.stringify(document)));
  }

  /** What this step's client (or attacker) sends, made again from the trace's randomness. */
  async request({ kind, of, request }) {
    const like = of === undefined ? request : this.trace.steps[of].request;
    if (kind === "repeat") return pick(like);
    let body = "";
    if (kind === "set-up") body = this.setUpBody();
    else if (!(kind in PATHS)) body = await this.seal(like.sealed, undefined, kind === "tampered" ? 1 : 0);
    const headers = { "X-Client-Hash": this.trace.client_hash, "X-SC-Version": "2" };
    if (body) headers["Content-Type"] = "application/json;charset=UTF-8";
    if (kind === "close" || like.sealed?.type === 2) headers["X-SC-Session-Id"] = this.trace.session_id;
    return { method: kind === "key" ? "GET" : "POST", path: PATHS[kind] ?? FORGOT, headers, body };
  }

  async step(step) {
    const { hex, need } = this.scv2;
    const { kind, request, response } = step;
    need(JSON.stringify(await this.request(step)) === JSON.stringify(pick(request)), "request");
    const body = unhex(request.body);
    let answer = unhex(response.body);
    if (kind === "set-up") {
      const document = json(body);
      await this.unwrapBoth([document.encReqKey, document.encRespKey].map((one) => this.scv2.fromBase64(one)));
    } else if (kind === "message") { // the server's part, then the client's
      const requestIv = unhex(request.sealed.iv);
      need(hex(await this.open(body, request.sealed)) === request.sealed.plaintext, "request's plaintext");
      need(await this.seal(response.sealed, requestIv) === response.body, "answer");
      answer = await this.open(answer, response.sealed, requestIv);
      need(hex(answer) === response.sealed.plaintext, "answer's plaintext");
    } else if (kind === "tampered") {
      const opened = await this.open(body, this.trace.steps[step.of].request.sealed).then(() => "opens", (error) => error.message);
      need(opened === "does not open", `a tampered request: ${opened}`);
    }
    const document = json(answer);
    need(document.code === response.code && document.success === (response.code === "2000"), "code");
    if (kind === "key") need(document.data.publicKey === this.spki, "public key");
    const sessionId = kind === "set-up" ? document.data.sessionId : response.headers["X-SC-Session-Id"];
    need(sessionId === undefined || sessionId === this.trace.session_id, "session id");
  }
}

const pick = ({ method, path, headers, body }) => ({ method, path, headers, body });
