// Sends a request from the page to the API that serves it, with a credential that is typed in and kept nowhere.

import { make } from "/schema/page.js";
import { encoded, exampleOf } from "/schema/samples.js";

let credential = ""; // for all operations of this page, until it is closed

export function tryForm(page, path, call) {
  const fields = call.parameters
    .filter((parameter) => parameter.in === "path" || parameter.in === "query")
    .map((parameter) => ({ parameter, input: field(parameter.in === "path" ? exampleOf(page, parameter) : "") }));
  const secret = call.secret && make("input", { type: "password", autocomplete: "off", value: credential });
  const body = call.body === undefined ? null : make("textarea", { rows: "8", spellcheck: "false" });
  if (body) body.value = encoded(call);
  const answer = make("div", { class: "answer", role: "status" });
  const send = make("button", { type: "button" }, "Send");
  send.addEventListener("click", async () => {
    if (secret) credential = secret.value.trim();
    send.disabled = true;
    answer.replaceChildren(...(await sent(call, addressOf(path, fields), body && body.value)));
    send.disabled = false;
  });
  return make("div", { class: "try" },
    make("p", { class: "who" }, "This calls the API for real."),
    secret && labelled(call.secret.header === "x-api-key" ? "API key" : "Access token", secret),
    ...fields.map(({ parameter, input }) => labelled(parameter.name, input)),
    body && labelled("Body", body), send, answer);
}

function field(value) {
  return make("input", { type: "text", value, autocomplete: "off", spellcheck: "false" });
}

function labelled(name, input) {
  return make("label", {}, make("span", {}, name), input);
}

function addressOf(path, fields) {
  const query = new URLSearchParams();
  let address = path;
  for (const { parameter, input } of fields) {
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value) query.set(parameter.name, input.value);
  }
  return query.size ? `${address}?${query}` : address;
}

async function sent(call, address, body) {
  const headers = {};
  if (call.secret && credential) headers[call.secret.header] = call.secret.prefix + credential;
  if (call.key) headers["idempotency-key"] = newKey();
  if (body !== null) headers["content-type"] = call.type;
  try {
    // Without cookies: one request, one credential, the one that was typed.
    const answer = await fetch(address, { method: call.method, headers, body: body ?? undefined, credentials: "omit" });
    const text = await answer.text();
    return [make("p", {}, make("span", { class: "status" }, String(answer.status)), ` ${answer.headers.get("content-type") || ""}`),
      make("pre", { tabindex: "0" }, make("code", {}, pretty(text)))];
  } catch (error) {
    return [make("p", {}, `Nothing came back: ${error.message}`)];
  }
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is there on secure pages only
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
