// The cells of a study as a table: a column for each axis, how each cell ended, and which experiment it is.
import { SortedTable } from "/assets/sortedtable.js";
import { badge, h, keepInAddress, percent, setBadge, setText } from "/assets/view.js";

export class CellTable {
  #axes = [];
  #cells = [];
  // How many cells are one experiment, by its id.
  #shares = new Map();

  constructor() {
    this.state = new URLSearchParams(location.search).get("state") ?? "";
    this.choose = h("select", { onchange: () => this.#choose(this.choose.value) });
    this.chooser = h("div", { class: "filters" }, h("label", {}, "State ", this.choose));
    this.table = new SortedTable("Cells", (cell) => cellRow(cell, this.#axes, this.#shares));
    this.none = h("p", { class: "quiet", hidden: true }, "No cell is in this state.");
    this.element = h("div", {}, this.chooser, this.table.element, this.none);
  }

  update({ results, states }) {
    this.#axes = Object.keys(results[0].labels);
    this.#cells = results.map((cell, index) => ({ ...cell, number: index + 1 }));
    this.#shares.clear();
    for (const { experiment_id: id } of results) if (id) this.#shares.set(id, (this.#shares.get(id) ?? 0) + 1);
    this.#offer(Object.keys(states));
    this.#draw();
  }

  #offer(states) {
    const offered = [...new Set(["", ...states.sort(), this.state])];
    if (this.choose.dataset.offered === offered.join()) return;
    this.choose.dataset.offered = offered.join();
    this.choose.replaceChildren(...offered.map((state) => h("option", { value: state, selected: state === this.state }, state.toLowerCase() || "any")));
  }

  #choose(state) {
    this.state = state;
    keepInAddress({ state: state || null });
    this.#draw();
  }

  #draw() {
    const shown = this.#cells.filter((cell) => !this.state || cell.state === this.state);
    this.none.hidden = shown.length > 0;
    this.table.update(shown, [
      ["Cell", "number", (cell) => cell.number],
      ...this.#axes.map((axis) => [axis, `labels.${axis}`, (cell) => labelValue(cell.labels[axis])]),
      ["State", "state", (cell) => cell.state],
      ["Server, test", "test_accuracy", (cell) => cell.test_accuracy],
      ["Auxiliary, test", "auxiliary_test_accuracy", (cell) => cell.auxiliary_test_accuracy],
      ["Experiment"],
      ["Why"],
    ]);
  }
}

// Labels are text; those that are numbers sort as such.
function labelValue(label) {
  const number = Number(label);
  return label.trim() === "" || Number.isNaN(number) ? label : number;
}

function cellRow(cell, axes, shares) {
  const state = badge(cell.state);
  const server = h("td", { class: "number" });
  const auxiliary = h("td", { class: "number" });
  const experiment = h("td");
  const why = h("td", { class: "why" });
  const element = h(
    "tr",
    {},
    h("td", { class: "number" }, String(cell.number)),
    axes.map((axis) => h("td", { class: "number" }, cell.labels[axis])),
    h("td", {}, state),
    server,
    auxiliary,
    experiment,
    why,
  );
  let linked;
  const update = (latest) => {
    const { experiment_id: id } = latest;
    setBadge(state, latest.state);
    setText(server, percent(latest.test_accuracy));
    setText(auxiliary, percent(latest.auxiliary_test_accuracy));
    setText(why, latest.reason ?? "");
    if (id === linked) return;
    linked = id;
    const shared = shares.get(id) > 1 ? h("span", { class: "quiet" }, ` shared by ${shares.get(id)} cells`) : null;
    experiment.replaceChildren(...(id ? [h("a", { href: `/experiments/${id}` }, h("code", {}, id)), shared].filter(Boolean) : ["–"]));
  };
  return { element, update };
}
