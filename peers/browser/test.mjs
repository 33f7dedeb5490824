// The browser as a peer: sends the page's form in Chromium and reads the opened answer, and checks the page itself.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
//   npm ci --ignore-scripts
//   node test.mjs [--program ../../target/release/scv2] [--shots ../../target/page]
//   node test.mjs --vectors DIR          checks vectors with the page's module in the browser, and nothing else
//   node test.mjs --make-vectors DIR     makes vectors there, under the keys of DIR/keys.json
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { FILES } from "../node/vectors.mjs";
import { launch, startServer, visit } from "./browser.mjs";
import { flowChecks } from "./flow.mjs";
import { pageChecks } from "./page.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

function load(folder) {
  const there = FILES.filter((name) => existsSync(join(folder, `${name}.json`)));
  return Object.fromEntries(there.map((name) => [name, JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"))]));
}

/** A page that can import the Node peer's vector code too, which the server does not have. */
async function vectorPage({ browser, url }) {
  const { page } = await visit(browser, url);
  for (const name of ["vectors.mjs", "make_vectors.mjs", "traces.mjs"]) {
    await page.route(`**/${name}`, (route) => route.fulfill({ path: here(`../node/${name}`), contentType: "text/javascript" }));
  }
  return page;
}

async function checkVectors(world, folder) {
  const page = await vectorPage(world);
  return page.evaluate(async (files) => {
    const [scv2, { checkVectors: check }] = await Promise.all([import("/scv2.mjs"), import("/vectors.mjs")]);
    return check(scv2, files);
  }, load(folder));
}

async function makeVectors(world, folder) {
  const page = await vectorPage(world);
  const made = await page.evaluate(async (keys) => {
    const [scv2, { makeVectors: make }] = await Promise.all([import("/scv2.mjs"), import("/make_vectors.mjs")]);
    return make(scv2, keys, "browser");
  }, load(folder).keys);
  for (const [name, content] of Object.entries(made)) {
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(content, null, 1)}\n`);
  }
}

async function all(world) {
  const line = await checkVectors(world, here("../../sc-core/vectors"));
  if (!/^vectors: [1-9][0-9]* checked/.test(line)) throw new Error(`no count: ${line}`);
  console.log(`ok browser vectors\n${line}`);
  for (const [name, check] of Object.entries({ ...flowChecks, ...pageChecks })) {
    try {
      await check(world);
    } catch (error) {
      throw new Error(`FAILED ${name}`, { cause: error });
    }
    console.log(`ok ${name}`);
  }
  console.log("ok all");
}

async function main() {
  const { values } = parseArgs({
    options: {
      program: { type: "string", default: here("../../target/release/scv2") },
      shots: { type: "string", default: here("../../target/page") },
      vectors: { type: "string" }, "make-vectors": { type: "string" },
    },
  });
  mkdirSync(values.shots, { recursive: true });
  const start = (...options) => startServer(values.program, ...options);
  // All requests come from one client address, so only the limit of the e-mail address is the usual one.
  const server = await start("--rate-limit", "1000/300s", "--rate-limit-email", "3/300s", "--setup-limit", "1000/60s");
  const browser = await launch();
  const world = { browser, url: server.url, start, shot: (name) => join(values.shots, `${name}.png`) };
  try {
    if (values.vectors) console.log(await checkVectors(world, values.vectors));
    else if (values["make-vectors"]) await makeVectors(world, values["make-vectors"]);
    else await all(world);
  } catch (error) {
    server.kill();
    throw error;
  } finally {
    await browser.close();
  }
  await server.stop();
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
