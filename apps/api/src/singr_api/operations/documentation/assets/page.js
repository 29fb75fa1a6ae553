// Renders /schema/openapi.json. Every text goes in as text, never as HTML.

import { LANGUAGES, callOf, sample } from "/schema/samples.js";
import { tryForm } from "/schema/try.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

export function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) if (value !== undefined) node.setAttribute(name, value);
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) node.append(child);
  return node;
}

// The little Markdown that descriptions use: `code`, **strong**, paragraphs.
function inline(text) {
  return (text || "").split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`") && part.length > 2) return make("code", {}, part.slice(1, -1));
    if (part.startsWith("**") && part.length > 4) return make("strong", {}, part.slice(2, -2));
    return part.replace(/\n/g, " ");
  });
}

function prose(text, tag) {
  return (text || "").split(/\n\s*\n/).filter(Boolean).map((paragraph) => make(tag || "p", {}, inline(paragraph.trim())));
}

// Text to take along, with a button that does it.
function copyable(text) {
  const button = make("button", { type: "button", class: "copy" }, "Copy");
  const code = make("code", {}, text);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch { // no clipboard on pages without TLS: selected, it can be copied by hand
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return make("div", { class: "copyable" }, make("pre", { tabindex: "0" }, code), button);
}

class Page {
  constructor(api) {
    this.api = api;
    this.server = ((api.servers || [])[0] || {}).url || location.origin;
    this.language = LANGUAGES[0];
  }

  // What stands once in the document, for all who refer to it.
  follow(part) {
    return part.$ref ? part.$ref.slice(2).split("/").reduce((inner, key) => inner[key], this.api) : part;
  }

  resolve(schema) {
    if (!schema || !schema.$ref) return schema || {};
    const { $ref, ...own } = schema;
    return { ...this.follow(schema), ...own, name: $ref.split("/").pop() };
  }

  typeOf(schema) {
    const bare = this.resolve(schema);
    const options = bare.oneOf || bare.anyOf;
    if (options) return [...new Set(options.map((option) => this.typeOf(option)))].join(" | ");
    if (bare.enum) return bare.enum.map((value) => JSON.stringify(value)).join(" | ");
    if (bare.const !== undefined) return JSON.stringify(bare.const);
    if (bare.type === "array") return `${this.typeOf(bare.items)}[]`;
    return bare.name || [bare.type || "any", bare.format && `(${bare.format})`].filter(Boolean).join(" ");
  }

  bounds(schema) {
    const bare = this.resolve(schema);
    const words = [];
    const say = (key, text) => bare[key] !== undefined && words.push(text(bare[key]));
    say("minimum", (value) => `≥ ${value}`);
    say("maximum", (value) => `≤ ${value}`);
    const characters = (number) => (number === 1 ? "1 character" : `${number} characters`);
    say("minLength", (value) => `at least ${characters(value)}`);
    say("maxLength", (value) => `at most ${characters(value)}`);
    say("default", (value) => `default ${JSON.stringify(value)}`);
    return words.join(", ");
  }

  schema(schema, depth) {
    const bare = this.resolve(schema);
    const options = (bare.oneOf || bare.anyOf || []).filter((option) => option.type !== "null");
    if (options.length === 1) return this.schema(options[0], depth);
    if (options.length > 1) {
      const field = bare.discriminator && bare.discriminator.propertyName;
      const box = make("div", {}, field ? make("p", { class: "who" }, "Told apart by ", make("code", {}, field), ".") : null);
      for (const option of options) {
        const inner = this.resolve(option);
        const tag = field && inner.properties && inner.properties[field];
        const label = tag && tag.enum ? `${field} = ${JSON.stringify(tag.enum[0])}` : this.typeOf(option);
        box.append(this.fold(make("code", {}, label), inner.description, () => this.schema(option, depth + 1)));
      }
      return box;
    }
    if (bare.type === "array") return this.schema(bare.items, depth);
    if (!bare.properties) return make("p", { class: "type" }, this.typeOf(schema));
    const rows = Object.entries(bare.properties).map(([name, property]) => {
      const inner = this.resolve(property);
      const deeper = this.hasDepth(property);
      const required = (bare.required || []).includes(name);
      return make("tr", {},
        make("th", { scope: "row" }, name, required ? make("div", { class: "required" }, "required") : null),
        make("td", {},
          make("div", { class: "type" }, this.typeOf(property)),
          prose(property.description || (deeper ? "" : inner.description), "div"),
          make("div", { class: "who" }, this.bounds(property)),
          deeper && depth < 6 ? this.fold("Fields", "", () => this.schema(property, depth + 1)) : null));
    });
    return make("table", {}, make("tbody", {}, rows));
  }

  hasDepth(schema) {
    const bare = this.resolve(schema);
    if (bare.properties) return true;
    if (bare.type === "array") return this.hasDepth(bare.items);
    return (bare.oneOf || bare.anyOf || []).some((option) => this.hasDepth(option));
  }

  // Filled when it is opened: the whole document at once would be slow to lay out.
  fold(label, description, content) {
    const box = make("details", {}, make("summary", {}, label, description ? [" ", inline(description)] : ""));
    box.addEventListener("toggle", () => {
      if (box.open && box.children.length === 1) box.append(make("div", { class: "nest" }, content()));
    });
    return box;
  }

  examples(media) {
    return Object.values(media.examples || {}).map((part) => this.follow(part)).map((example) =>
      this.fold(make("span", {}, "Example: ", inline(example.summary)), "", () => copyable(JSON.stringify(example.value, null, 2))));
  }

  parameters(list) {
    return make("table", {}, make("tbody", {}, list.map((part) => this.follow(part)).map((parameter) =>
      make("tr", {},
        make("th", { scope: "row" }, parameter.name, parameter.required ? make("div", { class: "required" }, "required") : null),
        make("td", {},
          make("div", { class: "type" }, `${parameter.in}: ${this.typeOf(parameter.schema)}`),
          prose(parameter.description, "div"),
          make("div", { class: "who" }, this.bounds(parameter.schema)))))));
  }

  response(status, shared) {
    const response = this.follow(shared);
    const headers = Object.entries(response.headers || {});
    return this.fold(make("span", { class: "status" }, status), response.description, () => [
      headers.length
        ? make("table", {}, make("tbody", {}, headers.map(([name, header]) =>
            make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, prose(this.follow(header).description, "div"))))))
        : null,
      ...Object.entries(response.content || {}).flatMap(([type, media]) => [
        make("p", { class: "type" }, type), this.problems(type, media), this.schema(media.schema, 0), ...this.examples(media)]),
    ].filter(Boolean));
  }

  // Where a refusal is explained.
  problems(type, media) {
    if (type !== "application/problem+json" || !media.examples) return null;
    const links = Object.keys(media.examples).map((slug) => make("a", { href: `/problems/${slug}` }, slug));
    return make("p", { class: "links" }, "What it means, and what to do: ", links.flatMap((link, at) => (at ? [", ", link] : [link])), ".");
  }

  // One sample at a time, in the language that was chosen last, for all operations.
  samples(call) {
    const shown = make("div", {});
    const buttons = LANGUAGES.map((language) => make("button", { type: "button", "data-language": language }, language));
    const box = make("div", { class: "samples" }, make("div", { class: "languages", role: "group", "aria-label": "Language" }, buttons), shown);
    box.show = (language) => {
      shown.replaceChildren(copyable(sample(language, call, this.server)));
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.language === language));
    };
    box.show(this.language);
    box.addEventListener("click", (event) => {
      const { language } = event.target.dataset;
      if (!language) return;
      const top = box.getBoundingClientRect().top;
      this.language = language;
      for (const other of document.querySelectorAll(".samples")) other.show(language);
      scrollBy(0, box.getBoundingClientRect().top - top); // samples above may have grown or shrunk
    });
    return box;
  }

  who(operation) {
    const needs = operation.security || [];
    if (!needs.length) return "Anyone may call it.";
    const person = "a person's access token, as bearer or cookie";
    if (!needs.some((way) => "ApiKey" in way)) return `For people, about themselves: ${person}.`;
    const scopes = Object.values(needs[0])[0];
    const scope = scopes.length ? `, with ${scopes.join(", ")}` : "";
    if (needs.some((way) => !Object.keys(way).length)) return `Anyone may call it; whoever sends an API key, a signed request or ${person} is known by it.`;
    return `For services and members: an API key, a signed request, or ${person}${scope}.`;
  }

  operation(path, method, operation) {
    const call = callOf(this, path, method, operation);
    const box = make("div", { class: "words" },
      make("h3", {}, make("span", { class: `method ${method}` }, method), make("span", { class: "path" }, path),
        make("span", {}, inline(operation.summary))),
      prose(operation.description),
      make("p", { class: "who" }, this.who(operation)));
    if (operation.parameters) box.append(make("h4", {}, "Parameters"), this.parameters(operation.parameters));
    if (operation.requestBody) {
      const [[type, media]] = Object.entries(operation.requestBody.content);
      box.append(make("h4", {}, "Body"), make("p", { class: "type" }, type), this.schema(media.schema, 0), ...this.examples(media));
    }
    box.append(make("h4", {}, "Answers"));
    for (const [status, response] of Object.entries(operation.responses)) box.append(this.response(status, response));
    return make("article", { id: operation.operationId }, box,
      make("div", { class: "beside" }, this.samples(call), this.fold("Try it", "", () => tryForm(this, path, call))));
  }

  render(main, nav) {
    const { info, paths } = this.api;
    main.replaceChildren(make("h1", {}, info.title, " ", make("small", {}, info.version)),
      make("p", { class: "who" }, make("code", {}, this.server)), ...prose(info.description));
    document.title = info.title;
    const operations = Object.entries(paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })));
    for (const { name } of this.api.tags) {
      main.append(make("h2", {}, name));
      const group = make("section", {}, make("h2", {}, name));
      nav.append(group);
      for (const { path, method, operation } of operations.filter((one) => one.operation.tags.includes(name))) {
        main.append(this.operation(path, method, operation));
        group.append(make("a", { href: `#${operation.operationId}`, "data-text": `${method} ${path} ${operation.summary}`.toLowerCase() },
          make("span", { class: `method ${method}` }, method), make("span", {}, inline(operation.summary))));
      }
    }
  }
}

async function start() {
  const main = document.getElementById("top");
  const nav = document.getElementById("nav");
  try {
    const answer = await fetch("/schema/openapi.json");
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    new Page(await answer.json()).render(main, nav);
  } catch (error) {
    main.replaceChildren(make("p", { role: "alert" }, `The document could not be loaded: ${error.message}`));
    throw error;
  }
  document.getElementById("find").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const group of nav.querySelectorAll("section")) {
      const links = [...group.querySelectorAll("a")];
      for (const link of links) link.hidden = !link.dataset.text.includes(wanted);
      group.hidden = links.every((link) => link.hidden);
    }
    document.getElementById("nothing").hidden = [...nav.querySelectorAll("section")].some((group) => !group.hidden);
  });
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

start();
