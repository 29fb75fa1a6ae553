// How an operation is called, in three languages, made of the document's own examples.

export const LANGUAGES = ["curl", "Python", "TypeScript"];
export const FORM = "application/x-www-form-urlencoded";
const SOME_ID = "01920000-0000-7000-8000-000000000001";

// What goes over the wire: method, address, headers (with a note of where a value comes from) and body.
export function callOf(page, path, method, operation) {
  const parameters = (operation.parameters || []).map((part) => page.follow(part));
  const named = (place) => parameters.filter((parameter) => parameter.in === place);
  const filled = named("path").reduce(
    (text, parameter) => text.replace(`{${parameter.name}}`, encodeURIComponent(exampleOf(page, parameter))), path);
  const [[type, media]] = Object.entries(operation.requestBody ? operation.requestBody.content : { none: null });
  const example = media && Object.values(media.examples || {}).map((part) => page.follow(part))[0];
  return {
    method: method.toUpperCase(),
    path: filled,
    parameters,
    secret: secretOf(operation),
    key: named("header").some((parameter) => parameter.name === "Idempotency-Key"),
    type,
    body: example ? example.value : undefined,
  };
}

export function exampleOf(page, parameter) {
  const schema = page.resolve(parameter.schema || {});
  return String(parameter.example ?? (schema.examples || schema.enum || [SOME_ID])[0]);
}

function secretOf(operation) {
  const ways = operation.security || [];
  if (!ways.length) return null;
  return ways.some((way) => "ApiKey" in way)
    ? { header: "x-api-key", variable: "SINGR_API_KEY", prefix: "" }
    : { header: "authorization", variable: "SINGR_ACCESS_TOKEN", prefix: "Bearer " };
}

// A form's fields, encoded; else JSON.
export function encoded({ type, body }) {
  return type === FORM ? new URLSearchParams(body).toString() : JSON.stringify(body, null, 2);
}

export function sample(language, call, server) {
  return { curl, Python: python, TypeScript: typescript }[language](call, server + call.path);
}

function curl(call, address) {
  const { method, secret, key, type, body } = call;
  const parts = [`curl --fail-with-body ${method === "GET" ? "" : `--request ${method} `}${quoted(address)}`];
  if (secret) parts.push(`--header "${secret.header}: ${secret.prefix}$${secret.variable}"`);
  if (key) parts.push('--header "idempotency-key: $(date +%s)-$RANDOM$RANDOM"');
  if (body !== undefined) {
    parts.push(`--header 'content-type: ${type}'`, `--data ${quoted(encoded(call))}`);
  }
  return parts.join(" \\\n  ");
}

function quoted(text) {
  return `'${text.replace(/'/g, "'\\''")}'`;
}

function python({ method, secret, key, type, body }, address) {
  const imports = [...(secret ? ["import os"] : []), ...(key ? ["import uuid"] : [])];
  const lines = [...imports, ...(imports.length ? [""] : []), "import httpx", ""];
  const headers = [];
  if (secret) headers.push(`"${secret.header}": ${secret.prefix ? `"${secret.prefix}" + ` : ""}os.environ["${secret.variable}"]`);
  if (key) headers.push('"idempotency-key": str(uuid.uuid4())');
  const parts = [`"${method}"`, JSON.stringify(address)];
  if (headers.length) parts.push(`headers={\n${headers.map((header) => `        ${header},\n`).join("")}    }`);
  if (body !== undefined) parts.push(`${type === FORM ? "data" : "json"}=${literal(body, "    ")}`);
  lines.push("answer = httpx.request(", ...parts.map((part) => `    ${part},`), ")", "answer.raise_for_status()", "print(answer.text)");
  return lines.join("\n");
}

function literal(value, margin) {
  if (value === null) return "None";
  if (value === true || value === false) return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${margin}    `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const items = Array.isArray(value)
    ? value.map((item) => literal(item, inner))
    : Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${literal(item, inner)}`);
  return items.length ? `${open}\n${items.map((item) => `${inner}${item},\n`).join("")}${margin}${close}` : open + close;
}

function typescript({ method, secret, key, type, body }, address) {
  const headers = [];
  if (secret) headers.push(`    "${secret.header}": ${secret.prefix ? `\`${secret.prefix}\${process.env.${secret.variable}}\`` : `process.env.${secret.variable}!`},`);
  if (key) headers.push('    "idempotency-key": crypto.randomUUID(),');
  if (body !== undefined) headers.push(`    "content-type": "${type}",`);
  const options = [`  method: "${method}",`];
  if (headers.length) options.push("  headers: {", ...headers, "  },");
  const [before, after] = type === FORM ? ["new URLSearchParams(", ")"] : ["JSON.stringify(", ")"];
  if (body !== undefined) options.push(`  body: ${before}${JSON.stringify(body, null, 2).replace(/\n/g, "\n  ")}${after},`);
  return [`const answer = await fetch(${JSON.stringify(address)}, {`, ...options, "});",
    "if (!answer.ok) throw new Error(await answer.text());", "console.log(await answer.text());"].join("\n");
}
