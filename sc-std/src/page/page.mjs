// The page: reads the form, runs the protocol step by step, and says what came of it.
// SPDX-License-Identifier: MIT OR Apache-2.0
import { byId, bytesOf, el, pathNodes, prettyJson } from "./dom.mjs";
import { Steps, jsonView } from "./steps.mjs";
import { Client, FORGOT_PASSWORD, PlainAnswer, Refused, Unreachable, hex, isSuccess, utf8 } from "./scv2.mjs";

const [form, email, status, outcome] = ["form", "email", "status", "outcome"].map(byId);

// The server is where the page is, under the same prefix.
const BASE_URL = new URL(".", location.href).href;

const WHY = {
  key: "The server publishes the newest of its RSA keys. It is public: anybody may read it, and whoever can swap it owns the channel, so an app that knows the key in advance should pin it.",
  draw: "Two random 256-bit keys, one for each direction, each encrypted under the server's RSA key with OAEP and SHA-256.",
  create: "The wrapped keys go to the server, which unwraps them and names the session. A wrapped key is accepted only once.",
  inline: "There is no request for this: the wrapped keys will travel in the envelope of the first message.",
  seal: "AES-256-GCM under the request key turns the JSON into an envelope of the same length and a few bytes more.",
  send: "An ordinary POST. On the way, every hop behind TLS sees this and no more.",
  open: "The tag is verified before anything is shown. In the bound profile it also proves which request is answered.",
  close: "Both sides forget the keys. Of what was recorded on the way, only the server's RSA key could still open anything.",
};

// --- One conversation -----------------------------------------------------------------------------

async function converse({ address, inline, bound }) {
  const wire = [];
  const client = new Client({ baseUrl: BASE_URL, bound, onWire: (...exchange) => wire.push(exchange) });
  const begun = performance.now();
  const steps = new Steps(byId("steps"), 7, (text) => { status.textContent = text; });
  // Shows what passed during `work`, also if it failed: then the answer is what one wants to see.
  const onWire = (work) => async (card) => {
    try {
      return await work(card);
    } finally {
      for (const [request, answer] of wire.splice(0)) card.wire(request, answer);
    }
  };
  const plaintext = utf8(JSON.stringify({ email: address }));
  try {
    await steps.run("Fetch the server's public key", WHY.key, onWire(() => client.fetchKey()));
    await steps.run("Draw two keys and wrap them", WHY.draw, async (card) => showKeys(card, await client.drawKeys()));
    if (inline) {
      await steps.run("Set up the session: inline", WHY.inline, () => {});
    } else {
      await steps.run("Set up the session", WHY.create, onWire(() => client.createSession()));
    }
    const pending = await steps.run("Seal the request", WHY.seal, async (card) => {
      const sealed = await client.seal(FORGOT_PASSWORD, plaintext);
      showSealed(card, "Request", plaintext, sealed);
      return sealed;
    });
    const answer = await steps.run("Send the envelope", WHY.send, onWire(() => client.send(pending)));
    const opened = await steps.run("Open the answer", WHY.open, async (card) => {
      const one = await client.open(pending, answer);
      showSealed(card, "Answer", one.plaintext, one);
      return one;
    });
    compare(address, pending.envelope, answer, opened);
    await steps.run("Close the session", WHY.close, onWire(() => client.close()));
    status.textContent = `All 7 steps done in ${Math.round(performance.now() - begun)} ms.`;
    return opened;
  } catch (error) {
    status.textContent = status.textContent.replace("Step", "Stopped at step");
    // A session must not stay behind; what went wrong is known already.
    await client.close().catch(() => {});
    throw error;
  }
}

function showKeys(card, { keyId, wrapped }) {
  const item = (name, key) => el("li", {}, el("b", {}, name), ` 32 bytes, not shown; ${bytesOf(key.length)} when wrapped`);
  card.panel("ends", el("ul", { class: "plain-list" }, item("Request key:", wrapped[0]), item("Response key:", wrapped[1])),
    el("p", { class: "hint" }, `Wrapped under the RSA key ${keyId}. The keys live in WebCrypto; no script can read them back.`));
}

function showSealed(card, title, plaintext, { associatedData, inline }) {
  card.panel("ends", el("p", { class: "caption" }, el("b", {}, `${title} in plaintext`), ` ${bytesOf(plaintext.length)}`),
    jsonView(plaintext), el("p", { class: "hint" }, tiedTo(title, associatedData.length, inline)));
}

/** What the tag covers beside the ciphertext. */
function tiedTo(title, size, inline) {
  if (size === 0) return "Only the ciphertext is authenticated: the plain profile has no associated data.";
  const rest = title === "Answer" ? "session, the request that it answers and the message's name" : "session and the message's name";
  const what = inline ? "the envelope's bytes before the IV, and the message's name" : `the envelope's header, the key exchange, the ${rest}`;
  return `Authenticated with it: ${bytesOf(size)} of associated data: ${what}.`;
}

// --- Who reads what -------------------------------------------------------------------------------

const requestLine = () => ["POST ", ...pathNodes(FORGOT_PASSWORD.path)];

function showExposed() {
  byId("without").replaceChildren(...requestLine(), `\n\n${prettyJson({ email: email.value })}`);
}

function clearComparison() {
  for (const id of ["with", "ends"]) byId(id).textContent = "Nothing was opened yet.";
}

function compare(address, envelope, answer, opened) {
  const seen = (bytes) => `${bytesOf(bytes.length)}: ${hex(bytes.subarray(0, 4))} … ${hex(bytes.subarray(-12))}`;
  byId("with").replaceChildren(...requestLine(), `\n\n${seen(envelope)}\n\nHTTP ${answer.status}\n\n${seen(answer.body)}`);
  const { data, code, message } = opened.document;
  byId("ends").textContent = `${prettyJson({ email: address })}\n\n${prettyJson(data ?? { code, message })}`;
}

// --- What came of it ------------------------------------------------------------------------------

function delay(seconds) {
  const number = Number(seconds);
  if (!Number.isFinite(number)) return seconds;
  const minutes = Math.round(number / 60);
  return number < 120 ? `${number} seconds` : `${number} seconds (about ${minutes} minutes)`;
}

/** Title and explanation of an answer that was opened. */
function ofAnswer({ status: code, headers, document }) {
  const sealed = `HTTP ${code}, ${document.code}. The answer was sealed; an edge proxy saw the status and the size.`;
  if (isSuccess(code, document)) return { kind: "good", title: document.data?.message ?? "Done", text: sealed };
  if (code === 429) {
    const wait = headers.get("Retry-After");
    return { kind: "wait", title: "Rate limited", text: `${document.message}.${wait ? ` The server asks to wait ${delay(wait)}.` : ""} ${sealed}` };
  }
  if (document.code === "REQUEST.VALIDATION_FAILED") {
    return { kind: "bad", title: "The server refused the request", text: `${document.message}. ${sealed}`, field: document.message };
  }
  return { kind: "bad", title: "The server answered with an error", text: `${document.message ?? "It is not in the protocol's form"}. ${sealed}` };
}

/** The same for what kept an answer from being opened. */
function ofError(error) {
  if (error instanceof PlainAnswer) {
    const wait = error.retryAfter ? ` It asks to wait ${delay(error.retryAfter)}.` : "";
    const said = error.document?.message ?? "It is not in the protocol's form";
    const plain = `HTTP ${error.status}${error.code ? `, ${error.code}` : ""}. This came in the clear: anything behind TLS could have written it.`;
    const title = error.status === 429 ? "Rate limited" : "The server refused in the clear";
    return { kind: error.status === 429 ? "wait" : "bad", title, text: `${said}.${wait} ${plain}` };
  }
  if (error instanceof Refused) {
    return { kind: "bad", title: "The answer was refused", text: `Reason: ${error.message}. Nothing of it was used.` };
  }
  if (error instanceof Unreachable && error.late) {
    return { kind: "bad", title: "The server does not answer", text: "Nothing came for 30 seconds." };
  }
  if (error instanceof Unreachable) {
    return { kind: "bad", title: "The server cannot be reached", text: "The connection failed, so nothing was answered. Is it still running?" };
  }
  return { kind: "bad", title: "Something went wrong in this page", text: `${error.name}: ${error.message}` };
}

function show({ kind, title, text, field }) {
  outcome.replaceChildren(el("p", { class: "title" }, title), el("p", {}, text));
  outcome.dataset.kind = kind;
  outcome.hidden = false;
  outcome.scrollIntoView({ block: "nearest" });
  markAddress(field);
}

function markAddress(why) {
  const message = byId("email-error");
  message.textContent = why ?? "";
  message.hidden = !why;
  email.toggleAttribute("aria-invalid", false);
  if (why) email.setAttribute("aria-invalid", "true");
}

// --- The form -------------------------------------------------------------------------------------

let running = false;

async function submit(event) {
  event.preventDefault();
  if (running) return;
  running = true;
  // Not `disabled`: that would take the focus away.
  byId("send").setAttribute("aria-disabled", "true");
  byId("steps-empty").hidden = true;
  outcome.hidden = true;
  clearComparison();
  markAddress();
  const chosen = new FormData(form);
  let result;
  try {
    const [inline, bound] = [chosen.get("way") === "inline", chosen.get("profile") === "bound"];
    result = ofAnswer(await converse({ address: email.value, inline, bound }));
  } catch (error) {
    result = ofError(error);
  }
  show(result);
  byId("send").removeAttribute("aria-disabled");
  running = false;
}

function start() {
  showExposed();
  email.addEventListener("input", () => { showExposed(); markAddress(); });
  byId("view").addEventListener("change", (event) => { byId("steps").dataset.view = event.target.value; });
  form.addEventListener("submit", submit);
  if (!globalThis.crypto?.subtle) {
    const unable = byId("unable");
    unable.textContent = "This browser offers no WebCrypto here. It does so only over HTTPS and on loopback addresses such as 127.0.0.1: open the page there.";
    unable.hidden = false;
    return;
  }
  byId("controls").disabled = false;
}

start();
