"use strict";
// Renders /schema/openapi.json. Every text goes in as text, never as HTML.

const METHODS = ["get", "post", "put", "patch", "delete"];

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) if (value !== undefined) node.setAttribute(name, value);
  for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
  return node;
}

// The little Markdown that descriptions use: `code`, **strong**, paragraphs.
function prose(text, tag) {
  return (text || "").split(/\n\s*\n/).filter(Boolean).map((paragraph) => {
    const parts = paragraph.trim().split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
      if (part.startsWith("`") && part.length > 2) return make("code", {}, part.slice(1, -1));
      if (part.startsWith("**") && part.length > 4) return make("strong", {}, part.slice(2, -2));
      return part.replace(/\n/g, " ");
    });
    return make(tag || "p", {}, parts);
  });
}

class Page {
  constructor(api) {
    this.api = api;
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
    say("minLength", (value) => `at least ${value} characters`);
    say("maxLength", (value) => `at most ${value} characters`);
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
    const box = make("details", {}, make("summary", {}, label, description ? ` ${description}` : ""));
    box.addEventListener("toggle", () => {
      if (box.open && box.children.length === 1) box.append(make("div", { class: "nest" }, content()));
    });
    return box;
  }

  examples(media) {
    return Object.values(media.examples || {}).map((part) => this.follow(part)).map((example) =>
      this.fold(`Example: ${example.summary}`, "", () =>
        make("pre", { tabindex: "0" }, make("code", {}, JSON.stringify(example.value, null, 2)))));
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
        make("p", { class: "type" }, type), this.schema(media.schema, 0), ...this.examples(media)]),
    ].filter(Boolean));
  }

  who(operation) {
    const needs = operation.security || [];
    if (!needs.length) return "Anybody may call it.";
    const person = "a person's access token, as bearer or cookie";
    if (!needs.some((way) => "ApiKey" in way)) return `For people, about themselves: ${person}.`;
    const scopes = Object.values(needs[0])[0];
    const scope = scopes.length ? `, with ${scopes.join(", ")}` : "";
    return `For services and members: an API key, a signed request, or ${person}${scope}.`;
  }

  operation(path, method, operation) {
    const box = make("article", { id: operation.operationId },
      make("h3", {}, make("span", { class: `method ${method}` }, method), make("span", { class: "path" }, path),
        make("span", {}, operation.summary)),
      prose(operation.description),
      make("p", { class: "who" }, this.who(operation)));
    if (operation.parameters) box.append(make("h4", {}, "Parameters"), this.parameters(operation.parameters));
    if (operation.requestBody) {
      const media = operation.requestBody.content["application/json"];
      box.append(make("h4", {}, "Body"), this.schema(media.schema, 0), ...this.examples(media));
    }
    box.append(make("h4", {}, "Answers"));
    for (const [status, response] of Object.entries(operation.responses)) box.append(this.response(status, response));
    return box;
  }

  render(main, nav) {
    const { info, paths } = this.api;
    const server = (this.api.servers || [{}])[0].url;
    main.replaceChildren(make("h1", {}, info.title, " ", make("small", {}, info.version)),
      make("p", { class: "who" }, make("code", {}, server || "")), ...prose(info.description));
    document.title = info.title;
    const operations = Object.entries(paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })));
    for (const { name } of this.api.tags) {
      main.append(make("h2", {}, name));
      nav.append(make("h2", {}, name));
      for (const { path, method, operation } of operations.filter((one) => one.operation.tags.includes(name))) {
        main.append(this.operation(path, method, operation));
        nav.append(make("a", { href: `#${operation.operationId}`, "data-text": `${method} ${path} ${operation.summary}`.toLowerCase() },
          make("span", { class: `method ${method}` }, method), operation.summary));
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
    document.getElementById("status").textContent = `The document could not be loaded: ${error.message}`;
    return;
  }
  document.getElementById("find").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const link of nav.querySelectorAll("a")) link.hidden = !link.dataset.text.includes(wanted);
  });
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

start();
