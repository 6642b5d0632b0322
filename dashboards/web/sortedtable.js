// A table that sorts by its headings; the address holds the order.
import { h, keepInAddress, Rows } from "/assets/view.js";

export class SortedTable {
  #columns = null;
  #rows = null;
  #items = [];

  // Items have a `number`, which tells them apart and is their order at first; `make(item)` gives {element, update}.
  constructor(label, make) {
    this.make = make;
    this.head = h("tr");
    this.body = h("tbody");
    this.sort = new URLSearchParams(location.search).get("sort") ?? "number";
    this.element = h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": label }, h("table", { class: "trials" }, h("thead", {}, this.head), this.body));
  }

  // Columns are [heading, its name in the address, what of an item it sorts by]; those without a name do not sort.
  update(items, columns) {
    this.#items = items;
    const headings = (all) => all?.map(([heading]) => heading).join();
    if (headings(this.#columns) !== headings(columns)) {
      this.#columns = columns;
      this.body.replaceChildren();
      this.#rows = new Rows(this.body, (item) => item.number, this.make);
      this.#drawHead();
    }
    this.#rows.update(this.#sorted());
  }

  #drawHead() {
    const cells = this.#columns.map(([heading, name]) => {
      if (!name) return h("th", { scope: "col" }, heading);
      const arrow = h("span", { "aria-hidden": "true" }, this.#direction(name) === "none" ? "" : this.#direction(name) === "ascending" ? " ↑" : " ↓");
      const button = h("button", { type: "button", class: "heading", "data-sort": name, onclick: () => this.#sortBy(name) }, heading, arrow);
      return h("th", { scope: "col", "aria-sort": this.#direction(name) }, button);
    });
    this.head.replaceChildren(...cells);
  }

  #direction(name) {
    if (this.sort === name) return "ascending";
    return this.sort === `-${name}` ? "descending" : "none";
  }

  #sortBy(name) {
    // Of figures the highest are wanted first.
    const first = name.endsWith("accuracy") ? `-${name}` : name;
    const second = first.startsWith("-") ? name : `-${name}`;
    this.sort = this.sort === first ? second : first;
    keepInAddress({ sort: this.sort === "number" ? null : this.sort });
    this.#drawHead();
    this.head.querySelector(`[data-sort="${CSS.escape(name)}"]`).focus();
    this.#rows.update(this.#sorted());
  }

  #sorted() {
    const sign = this.sort.startsWith("-") ? -1 : 1;
    const [, , of] = this.#columns.find(([, name]) => name === this.sort.replace("-", "")) ?? [null, null, (item) => item.number];
    const known = this.#items.filter((item) => (of(item) ?? null) !== null);
    const unknown = this.#items.filter((item) => (of(item) ?? null) === null);
    return [...known.sort((a, b) => sign * compare(of(a), of(b)) || a.number - b.number), ...unknown];
  }
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return text(a).localeCompare(text(b));
}

function text(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
