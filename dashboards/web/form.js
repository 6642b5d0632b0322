// A form for a JSON Schema such as a spec's. A choice by `kind` swaps the fields below it; what is left empty keeps its default.
import { h } from "/assets/view.js";

// Says how a spec is read, which is nobody's choice.
const HIDDEN = new Set(["schema_version"]);
const SIMPLE = new Set(["integer", "number", "string"]);

export class SchemaForm {
  #schema;
  #changed;
  #fields = new Map();
  #marked = [];
  // Sections that are left out again once nothing in them is set.
  #optional = new Set();

  // `changed(value)` is called after every edit.
  constructor(schema, changed) {
    this.#schema = schema;
    this.#changed = changed;
    this.value = {};
    this.element = h("div", { class: "form" });
  }

  // Draws the form anew for a value; what is open stays open.
  show(value) {
    const open = new Set([...this.element.querySelectorAll("details[open]")].map((one) => one.dataset.path));
    const first = this.element.childElementCount === 0;
    this.value = structuredClone(value);
    this.#fields.clear();
    const plain = [];
    const sections = [];
    for (const [name, schema] of Object.entries(this.#schema.properties)) {
      if (HIDDEN.has(name)) continue;
      const field = this.#field(schema, [name], this.#schema.required.includes(name));
      if (field) (field.matches("details") ? sections : plain).push(field);
    }
    this.element.replaceChildren(h("section", { class: "card plain" }, plain), ...sections);
    for (const details of this.element.querySelectorAll("details")) {
      details.open = first ? this.#read(details.dataset.path.split(".")) !== undefined : open.has(details.dataset.path);
    }
  }

  // Puts each issue beside the field it names; gives back those that name none.
  mark(issues) {
    for (const field of this.#marked.splice(0)) {
      field.error.replaceChildren();
      field.input.removeAttribute("aria-invalid");
    }
    return issues.filter((issue) => {
      const steps = issue.path.split(".");
      while (steps.length > 0 && !this.#fields.has(steps.join("."))) steps.pop();
      const field = this.#fields.get(steps.join("."));
      if (!field) return true;
      const rest = issue.path.slice(steps.join(".").length + 1);
      const words = issue.suggestion ? `${issue.message}; did you mean ${issue.suggestion}?` : issue.message;
      field.error.append(h("span", {}, rest && rest !== "kind" ? `${rest}: ${words}` : words));
      field.input.setAttribute("aria-invalid", "true");
      this.#marked.push(field);
      for (let box = field.input.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
      return false;
    });
  }

  #field(schema, path, required) {
    const found = this.#resolve(schema);
    if (found.oneOf) return this.#choice(found, path, required);
    if (found.properties) return this.#section(found, path, required);
    if (found.const !== undefined) return null;
    if (found.type === "array" && !SIMPLE.has(this.#resolve(found.items).type)) return this.#list(found, path);
    return this.#scalar(found, path, required);
  }

  // Without references, and with `nullable` in place of a union with null. What is said nearer to the field goes first.
  #resolve(schema) {
    const { $ref, anyOf, ...own } = schema;
    if ($ref) return this.#resolve({ ...this.#schema.$defs[$ref.split("/").at(-1)], ...own });
    if (!anyOf) return schema;
    const inner = anyOf.find((one) => one.type !== "null");
    return { ...this.#resolve(inner), ...own, nullable: anyOf.length > 1 };
  }

  #choice(schema, path, required) {
    const kinds = Object.keys(schema.discriminator.mapping);
    const current = this.#read(path)?.kind;
    const standard = schema.default?.kind;
    const select = h(
      "select",
      {},
      required && current !== undefined ? null : h("option", { value: "" }, standard ? `default: ${standard}` : required ? "choose" : "none"),
      kinds.map((kind) => h("option", { value: kind, selected: kind === current }, kind)),
    );
    const about = h("p", { class: "quiet" });
    const fields = h("div");
    const draw = () => {
      const variant = this.#variant(schema, this.#read(path)?.kind);
      about.textContent = variant?.description.split("\n")[0] ?? "";
      fields.replaceChildren(...(variant ? this.#fieldsOf(variant, path) : []));
    };
    select.addEventListener("change", () => {
      const variant = this.#variant(schema, select.value);
      const kept = Object.entries(this.#read(path) ?? {}).filter(([name]) => variant && name in variant.properties);
      this.#write(path, variant ? { ...Object.fromEntries(kept), kind: select.value } : undefined);
      draw();
      this.#changed(this.value);
    });
    draw();
    return this.#box(path, schema, this.#row(path, "kind", select, ""), about, fields);
  }

  #variant(schema, kind) {
    const ref = schema.discriminator.mapping[kind];
    return ref ? this.#resolve({ $ref: ref }) : null;
  }

  #section(schema, path, required) {
    const fields = h("div");
    const draw = (there) => fields.replaceChildren(...(there ? this.#fieldsOf(schema, path) : []));
    if (!schema.nullable) {
      if (!required) this.#optional.add(path.join("."));
      draw(true);
      return this.#box(path, schema, fields);
    }
    const box = h("input", { type: "checkbox", checked: Boolean(this.#read(path)) });
    box.addEventListener("change", () => {
      this.#write(path, box.checked ? {} : undefined);
      draw(box.checked);
      this.#changed(this.value);
    });
    draw(box.checked);
    return this.#box(path, schema, this.#row(path, "use it", box, ""), fields);
  }

  #fieldsOf(schema, path) {
    return Object.entries(schema.properties)
      .map(([name, inner]) => this.#field(inner, [...path, name], (schema.required ?? []).includes(name)))
      .filter(Boolean);
  }

  #list(schema, path) {
    const items = h("div");
    const draw = () => {
      const drawn = (this.#read(path) ?? []).map((_, index) =>
        h("div", { class: "item" }, this.#field(schema.items, [...path, String(index)], true), h("button", { type: "button", onclick: () => change((list) => list.splice(index, 1)) }, `Remove ${path.at(-1)} ${index + 1}`)),
      );
      items.replaceChildren(...drawn);
    };
    const change = (edit) => {
      const list = [...(this.#read(path) ?? [])];
      edit(list);
      this.#write(path, list.length > 0 ? list : undefined);
      draw();
      this.#changed(this.value);
    };
    const kinds = this.#resolve(schema.items).discriminator?.mapping;
    const made = () => (kinds ? { kind: Object.keys(kinds)[0] } : {});
    const add = h("button", { type: "button", onclick: () => change((list) => list.push(made())) }, `Add to ${path.at(-1)}`);
    draw();
    return this.#box(path, schema, this.#row(path, "items", add, ""), items);
  }

  #scalar(schema, path, required) {
    const name = path.at(-1);
    const given = this.#read(path);
    const value = given === null && schema.default === null ? undefined : given;
    const standard = schema.default === undefined ? "" : schema.default === null ? "none" : written(schema.default);
    const choices = schema.type === "boolean" ? [true, false] : schema.enum;
    const input = choices
      ? h(
          "select",
          {},
          required && value !== undefined ? null : h("option", { value: "" }, required ? "choose" : `default: ${standard}`),
          choices.map((one) => h("option", { value: String(one), selected: one === value }, String(one))),
        )
      : h("input", {
          type: "text",
          autocomplete: "off",
          spellcheck: "false",
          inputmode: schema.type === "integer" ? "numeric" : null,
          placeholder: required ? "required" : standard || "none",
          value: value === undefined ? "" : written(value),
        });
    input.addEventListener("input", () => {
      const chosen = choices ? choices.find((one) => String(one) === input.value) : read(input.value, schema);
      this.#write(path, chosen);
      this.#changed(this.value);
    });
    return this.#row(path, name, input, schema.description ?? "");
  }

  #row(path, label, input, description) {
    const id = `field-${path.join("-")}`;
    const error = h("span", { class: "fault", id: `${id}-fault` });
    input.id = id;
    // One name for the field of a section's kind, and one for what is directly in it.
    input.setAttribute("aria-label", label === path.at(-1) ? path.join(" ") : `${path.join(" ")} ${label}`);
    input.setAttribute("aria-describedby", `${id}-fault${description ? ` ${id}-about` : ""}`);
    this.#fields.set(path.join("."), { input, error });
    return h(
      "div",
      { class: "field" },
      h("label", { for: id }, label),
      h("div", {}, input, error, description ? h("span", { class: "about", id: `${id}-about` }, description) : null),
    );
  }

  #box(path, schema, ...parts) {
    const depth = path.length === 1 ? "card" : "inner";
    const name = /^\d+$/.test(path.at(-1)) ? `${path.at(-2)} ${Number(path.at(-1)) + 1}` : path.at(-1);
    const about = h("span", { class: "about" }, (schema.description ?? "").split("\n")[0]);
    return h("details", { class: depth, "data-path": path.join("."), open: path.length > 1 }, h("summary", {}, h("strong", {}, name), about), parts);
  }

  #read(path) {
    return path.reduce((value, step) => value?.[step], this.value);
  }

  #write(path, value) {
    let holder = this.value;
    for (const step of path.slice(0, -1)) holder = holder[step] ??= {};
    if (value !== undefined) {
      holder[path.at(-1)] = value;
      return;
    }
    delete holder[path.at(-1)];
    const above = path.slice(0, -1);
    if (above.length > 0 && Object.keys(holder).length === 0 && this.#optional.has(above.join("."))) this.#write(above, undefined);
  }
}

function written(value) {
  if (Array.isArray(value)) return value.length > 0 ? value.join(", ") : "[]";
  return typeof value === "string" ? value : JSON.stringify(value);
}

// What was typed as a value of the schema's type; what cannot be read is handed on for the service to judge.
function read(text, schema) {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  if (trimmed === "null" && schema.nullable) return null;
  if (schema.type === "array") {
    const inner = trimmed.replace(/^\[|\]$/g, "").trim();
    return inner === "" ? [] : inner.split(",").map((one) => number(one.trim()));
  }
  return schema.type === "string" ? text : number(trimmed);
}

function number(text) {
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}
