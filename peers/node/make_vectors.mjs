// Makes vectors with the JavaScript module, in Node and in a browser, for the other implementations to open.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The form is that of sc-core/vectors, lists `positive` only. Everything is fresh: keys, IVs, session ids.
import { unhex } from "./vectors.mjs";

const PROFILES = ["plain", "bound"];
const SIZES = [0, 1, 28, 1000]; // bytes of plaintext
const MESSAGE = "password.forgot";

/** Gives the files by name. `keys` is the parsed keys.json, `peer` the prefix of every name. */
export async function makeVectors(scv2, { keys }, peer) {
  const envelopes = [];
  const text = [];
  for (const profile of PROFILES) {
    for (const size of SIZES) {
      for (const key of keys) envelopes.push(await keyExchange(scv2, peer, profile, size, key));
      for (const type of [2, 129]) {
        const vector = await sessionData(scv2, peer, profile, size, type);
        envelopes.push(vector);
        text.push(textForm(scv2, peer, vector));
      }
    }
  }
  const comment = `Made by the peer "${peer}". The form is that of sc-core/vectors.`;
  return { envelopes: { comment, positive: envelopes }, text: { comment, positive: text } };
}

/** Plaintexts are random: nothing of them may matter. */
function ingredients(scv2, size) {
  return { request: scv2.random(32), response: scv2.random(32), plaintext: scv2.random(size) };
}

async function keyExchange(scv2, peer, profile, size, { bits, key_id: keyId, spki_der: spki }) {
  const { hex } = scv2;
  const { request, response, plaintext } = ingredients(scv2, size);
  const publicKey = await scv2.rsaKey(unhex(spki));
  const wrapped = [await scv2.wrap(publicKey, request), await scv2.wrap(publicKey, response)];
  const bound = profile === "bound";
  const exchange = scv2.exchangeBytes(keyId, wrapped);
  const head = scv2.concat(scv2.header(1, bound), exchange);
  const data = scv2.associatedData(head, bound, MESSAGE);
  const { iv, envelope } = await scv2.seal(await scv2.aesKey(request, "encrypt"), head, data, plaintext);
  return {
    name: `${peer}-type1-${profile}-${bits}-${size}`, type: 1, profile,
    request_key: hex(request), response_key: hex(response), iv: hex(iv), plaintext: hex(plaintext),
    associated_data: hex(data), envelope: hex(envelope),
    bits, key_id: keyId, enc_req_key: hex(wrapped[0]), enc_resp_key: hex(wrapped[1]),
    ctx: hex(await scv2.sha256(exchange)), message: MESSAGE,
  };
}

async function sessionData(scv2, peer, profile, size, type) {
  const { hex } = scv2;
  const { request, response, plaintext } = ingredients(scv2, size);
  const bound = profile === "bound";
  const session = { ctx: scv2.random(32), sessionId: `sess_${base64url(scv2, scv2.random(24))}` };
  if (type === 129) session.requestIv = scv2.random(12);
  const head = scv2.header(type);
  const data = scv2.associatedData(head, bound, MESSAGE, session);
  const key = await scv2.aesKey(type === 2 ? request : response, "encrypt");
  const { iv, envelope } = await scv2.seal(key, head, data, plaintext);
  return {
    name: `${peer}-type${type}-${profile}-${size}`, type, profile,
    request_key: hex(request), response_key: hex(response), iv: hex(iv), plaintext: hex(plaintext),
    associated_data: hex(data), envelope: hex(envelope),
    ...(bound && { ctx: hex(session.ctx), session_id: session.sessionId, message: MESSAGE }),
    ...(bound && type === 129 && { request_iv: hex(session.requestIv) }),
  };
}

const base64url = (scv2, bytes) => scv2.base64(bytes).replaceAll("+", "-").replaceAll("/", "_");

/** The same sealed bytes in the text envelope, whose associated data is that of the binary form (PROTOCOL 7). */
function textForm(scv2, peer, { type, profile, envelope, request_key, response_key, name, ...rest }) {
  const direction = type === 2 ? "request" : "response";
  return {
    ...rest, profile, direction,
    name: name.replace(`${peer}-type${type}`, `${peer}-text-${direction}`),
    text: scv2.encodeTextEnvelope(unhex(envelope).subarray(4)), key: type === 2 ? request_key : response_key,
  };
}
