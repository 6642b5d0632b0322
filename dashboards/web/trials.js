// The trials of a sweep as a table that sorts by any heading. Overrides become columns as they are seen: trials are proposed some
// time after the sweep was submitted.
import { badge, h, keepInAddress, percent, Rows, setBadge, setText } from "/assets/view.js";

const FIXED = {
  number: ["Trial", (trial) => trial.number],
  state: ["State", (trial) => trial.state],
  validation_accuracy: ["Validation", (trial) => trial.validation_accuracy],
  test_accuracy: ["Test", (trial) => trial.test_accuracy],
};

export class TrialTable {
  #columns = null;
  #rows = null;
  #best = null;
  #trials = [];

  constructor() {
    this.head = h("tr");
    this.body = h("tbody");
    this.sort = new URLSearchParams(location.search).get("sort") ?? "number";
    this.element = h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Trials" }, h("table", { class: "trials" }, h("thead", {}, this.head), this.body));
  }

  update(trials, best) {
    this.#best = best;
    this.#trials = trials;
    const paths = [...new Set(trials.flatMap((trial) => Object.keys(trial.overrides)))];
    if (this.#columns?.join() !== paths.join()) {
      this.#columns = paths;
      this.body.replaceChildren();
      this.#rows = new Rows(this.body, (trial) => trial.number, (trial) => trialRow(trial, paths, () => this.#best));
      this.#drawHead();
    }
    this.#rows.update(this.#sorted());
  }

  #drawHead() {
    const names = ["number", "state", ...this.#columns, "validation_accuracy", "test_accuracy"];
    const cells = names.map((name) => {
      const arrow = h("span", { "aria-hidden": "true" }, this.#direction(name) === "none" ? "" : this.#direction(name) === "ascending" ? " ↑" : " ↓");
      const button = h("button", { type: "button", class: "heading", "data-sort": name, onclick: () => this.#sortBy(name) }, FIXED[name]?.[0] ?? name, arrow);
      return h("th", { scope: "col", "aria-sort": this.#direction(name) }, button);
    });
    this.head.replaceChildren(...cells, h("th", { scope: "col" }, "Experiment"));
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
    const name = this.sort.replace("-", "");
    const sign = this.sort.startsWith("-") ? -1 : 1;
    const of = FIXED[name]?.[1] ?? ((trial) => trial.overrides[name]);
    const known = this.#trials.filter((trial) => (of(trial) ?? null) !== null);
    const unknown = this.#trials.filter((trial) => (of(trial) ?? null) === null);
    return [...known.sort((a, b) => sign * compare(of(a), of(b)) || a.number - b.number), ...unknown];
  }
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return valueText(a).localeCompare(valueText(b));
}

function trialRow(trial, paths, best) {
  const state = badge(trial.state);
  const mark = h("strong", { class: "tag" }, "best");
  const validation = h("td", { class: "number" });
  const test = h("td", { class: "number" });
  const experiment = h("td");
  const element = h(
    "tr",
    {},
    h("td", {}, `${trial.number} `, mark),
    h("td", {}, state),
    paths.map((path) => h("td", { class: "number" }, valueText(trial.overrides[path]))),
    validation,
    test,
    experiment,
  );
  const update = (latest) => {
    const isBest = latest.number === best();
    setBadge(state, latest.state);
    mark.hidden = !isBest;
    element.classList.toggle("best", isBest);
    setText(validation, percent(latest.validation_accuracy));
    setText(test, percent(latest.test_accuracy));
    if (latest.experiment_id && !experiment.firstChild) {
      experiment.append(h("a", { href: `/experiments/${latest.experiment_id}` }, h("code", {}, latest.experiment_id)));
    }
  };
  return { element, update };
}

function valueText(value) {
  if (value === undefined) return "–";
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(4)));
  return typeof value === "string" ? value : JSON.stringify(value);
}
