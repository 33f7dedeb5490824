// Node as a peer of message protection: WebCrypto, and Node's own crypto module (OpenSSL, synchronous), which servers use.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
//   node webcrypto.mjs        for each line of input measures one batch and prints one JSON object: nanoseconds per message
//
// WebCrypto is awaited one message at a time, as a request handler does.
import { createCipheriv, createDecipheriv, createSecretKey, randomFillSync } from "node:crypto";
import { createInterface } from "node:readline";
import { aesKey, concat, header, need, open, parseEnvelope, random, seal } from "../../sc-std/src/page/scv2.mjs";

const SIZES = [28, 256, 1_024, 4_096, 16_384, 65_536, 1_048_576];
const WARM_UP_NS = 300e6;
const BATCH_NS = 20e6;
const BATCHES = 15;

const now = () => Number(process.hrtime.bigint());

const turns = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** After a warm-up that also finds a batch's length: for each line of input the nanoseconds of one call of `work`. */
async function measure(name, who, size, work) {
  const batch = async (calls) => {
    const start = now();
    for (let i = 0; i < calls; i++) {
      const pending = work();
      if (pending instanceof Promise) await pending; // a synchronous peer must not pay for the other's promises
    }
    return now() - start;
  };
  const start = now();
  let calls = 1;
  let took = await batch(calls);
  while (now() - start < WARM_UP_NS || took < BATCH_NS) {
    if (took < BATCH_NS) calls *= 2;
    took = await batch(calls);
  }
  for (let i = 0; i < BATCHES; i++) {
    await turns.next();
    const value = (await batch(calls)) / calls;
    console.log(JSON.stringify({ name, case: who, parameter: String(size), value, unit: "ns" }));
  }
}

const raw = random(32);
const sealKey = await aesKey(raw, "encrypt");
const openKey = await aesKey(raw, "decrypt");
const nodeKey = createSecretKey(raw);
const NOTHING = new Uint8Array(0);

/** IV, ciphertext and tag after the header, in one buffer, like the others. */
function nodeSeal(plaintext) {
  const envelope = Buffer.allocUnsafe(plaintext.length + 32);
  envelope.set(header(2));
  const iv = randomFillSync(envelope.subarray(4, 16));
  const cipher = createCipheriv("aes-256-gcm", nodeKey, iv);
  envelope.set(cipher.update(plaintext), 16);
  cipher.final();
  envelope.set(cipher.getAuthTag(), envelope.length - 16);
  return envelope;
}

function nodeOpen(envelope) {
  const { iv, sealed } = parseEnvelope(envelope);
  const decipher = createDecipheriv("aes-256-gcm", nodeKey, iv);
  decipher.setAuthTag(sealed.subarray(-16));
  const plaintext = decipher.update(sealed.subarray(12, -16));
  decipher.final();
  return plaintext;
}

/** Opened by the protocol's peer, whoever sealed it: a peer that skips work must not count. */
async function holds(envelope, plaintext, opened) {
  const parsed = parseEnvelope(envelope);
  need(parsed.type === 2 && envelope.length === plaintext.length + 32, "form of the envelope");
  const same = (bytes) => Buffer.compare(bytes, plaintext) === 0;
  need(same(await open(openKey, parsed.sealed, NOTHING)) && same(opened), "the envelope does not open");
}

for (const size of SIZES) {
  const plaintext = concat(...Array.from({ length: Math.ceil(size / 65_536) }, () => random(Math.min(size, 65_536))));
  const peers = {
    "Node WebCrypto": {
      seal: async () => (await seal(sealKey, header(2), NOTHING, plaintext)).envelope,
      open: (envelope) => open(openKey, parseEnvelope(envelope).sealed, NOTHING),
    },
    "Node crypto": { seal: () => nodeSeal(plaintext), open: nodeOpen },
  };
  for (const [who, peer] of Object.entries(peers)) {
    const envelope = await peer.seal();
    await holds(envelope, plaintext, await peer.open(envelope));
    await measure("seal", who, size, peer.seal);
    await measure("open", who, size, () => peer.open(envelope));
  }
}
process.stdin.destroy(); // or Node waits for more of it
