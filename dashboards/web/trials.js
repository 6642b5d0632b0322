// The trials of a sweep as a table. Overrides become columns as they are seen: trials are proposed some time after the sweep was
// submitted.
import { SortedTable } from "/assets/sortedtable.js";
import { badge, h, percent, setBadge, setText } from "/assets/view.js";

export class TrialTable {
  #table = new SortedTable("Trials", (trial) => trialRow(trial, this.#paths, () => this.#best));
  #paths = [];
  #best = null;

  get element() {
    return this.#table.element;
  }

  update(trials, best) {
    this.#best = best;
    this.#paths = [...new Set(trials.flatMap((trial) => Object.keys(trial.overrides)))];
    this.#table.update(trials, [
      ["Trial", "number", (trial) => trial.number],
      ["State", "state", (trial) => trial.state],
      ...this.#paths.map((path) => [path, path, (trial) => trial.overrides[path]]),
      ["Validation", "validation_accuracy", (trial) => trial.validation_accuracy],
      ["Test", "test_accuracy", (trial) => trial.test_accuracy],
      ["Experiment"],
    ]);
  }
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
