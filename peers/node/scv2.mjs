// The JavaScript peer on Node: the flow against a server, the test vectors, and vectors for others to check.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
//   node scv2.mjs --base-url URL [--email E] [--inline] [--bound]
//   node scv2.mjs --vectors DIR
//   node scv2.mjs --make-vectors DIR
//
// The protocol itself is sc-std/src/page/scv2.mjs, which runs in browsers unchanged: copy that file.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as scv2 from "../../sc-std/src/page/scv2.mjs";
import { makeVectors } from "./make_vectors.mjs";
import { checkVectors, FILES } from "./vectors.mjs";

const { Client, FORGOT_PASSWORD, PlainAnswer, hex, isSuccess, need, random, utf8 } = scv2;

/** Every answer, sealed or plain, names the request that it answers. */
function echoesRequestId(request, answer) {
  const echoed = answer.headers.get("X-Request-Id") === request.headers["X-Request-Id"];
  need(echoed, `${request.path}: X-Request-Id is not echoed`);
}

async function run(options) {
  const clientHash = `peer-node-${hex(random(8))}`;
  const client = new Client({ baseUrl: options["base-url"], bound: options.bound, clientHash, onWire: echoesRequestId });
  const email = options.email ?? `peer-${hex(random(6))}@example.com`;
  await client.fetchKey();
  await client.drawKeys();
  if (!options.inline) await client.createSession();
  for (let i = 0; i < 2; i++) { // with --inline the first is type 1; the second is always type 2
    const { status, document } = await client.request(FORGOT_PASSWORD, { email });
    const shown = JSON.stringify(document);
    console.log(shown);
    need(isSuccess(status, document) && document.data?.success === true, `sealed answer: HTTP ${status} ${shown}`);
  }
  const late = await client.seal(FORGOT_PASSWORD, utf8(JSON.stringify({ email })));
  await client.close();
  await client.close();
  await isRefused(client, late);
}

/** After close: plain JSON, 404, SESSION_NOT_FOUND. */
async function isRefused(client, pending) {
  try {
    await client.send(pending);
  } catch (error) {
    const plain = error instanceof PlainAnswer && error.document?.success === false;
    need(plain && error.status === 404 && error.code === "SECURE_CHANNEL.SESSION_NOT_FOUND", `after close: ${error.message}`);
    return;
  }
  need(false, "after close: accepted");
}

function load(folder) {
  const read = (name) => JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
  const there = FILES.filter((name) => existsSync(join(folder, `${name}.json`)));
  return Object.fromEntries(there.map((name) => [name, read(name)]));
}

async function make(folder) {
  for (const [name, content] of Object.entries(await makeVectors(scv2, load(folder).keys, "node"))) {
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(content, null, 1)}\n`);
  }
}

const USAGE = "usage: --base-url URL [--email E] [--inline] [--bound] | --vectors DIR | --make-vectors DIR";

try {
  const { values } = parseArgs({
    options: {
      "base-url": { type: "string" }, vectors: { type: "string" }, "make-vectors": { type: "string" }, email: { type: "string" },
      inline: { type: "boolean", default: false }, bound: { type: "boolean", default: false },
    },
  });
  need([values["base-url"], values.vectors, values["make-vectors"]].filter(Boolean).length === 1, USAGE);
  if (values["base-url"]) await run(values);
  if (values.vectors) console.log(await checkVectors(scv2, load(values.vectors)));
  if (values["make-vectors"]) await make(values["make-vectors"]);
} catch (error) {
  console.error(`scv2.mjs: ${error.name}: ${error.message}${error.cause ? ` (${error.cause.message})` : ""}`);
  process.exitCode = 1;
}
