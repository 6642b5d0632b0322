// The curves of an experiment: figures laid out by the service, to which a live page appends, and any other series beside them.
import { Chart } from "/assets/chart.js";
import { inTurn, request } from "/assets/http.js";
import { h, keepInAddress } from "/assets/view.js";

const FIGURES = { accuracy: "Accuracy", losses: "Losses", bytes: "Bytes sent" };
const AXES = { round: "round", wall_time: "wall time", simulated_time: "simulated time", bytes: "bytes sent" };
// Drawn where the spec asks for it, by the field of `evaluation` that does.
const ASKED = {
  client_losses: { name: "clients", label: "Clients", heading: "Training loss of each client", plot: "Training loss of each client against rounds" },
  spectrum: { name: "spectrum", label: "Spectrum", heading: "Hessian spectrum of the clients' loss", plot: "Density of the Hessian's eigenvalues after some rounds" },
};
// Lines that grew beyond this are fetched again, thinned by the service.
const MANY_POINTS = 6000;
// So many points of each line are fetched for what is zoomed into.
const ZOOMED_POINTS = 2000;
// Only rounds can be appended; on other axes, and for other series, figures are fetched again, no more often than this.
const AGAIN_MS = 3000;

export class Curves {
  #charts;
  #other;
  #asked;
  #known = new Set();
  #waiting = null;
  // What changes the figures, one after another: rounds that come while figures are fetched are appended to those.
  #inTurn = inTurn((work) => work());

  // `measured(latest)` gets the newest value of every series that is drawn, `partitioned(figure, themes)` the partition once it is known.
  constructor(id, spec, measured, partitioned) {
    this.id = id;
    this.path = `/v1/experiments/${encodeURIComponent(id)}/figures`;
    Object.assign(this, { measured, partitioned });
    const chosen = new URLSearchParams(location.search);
    this.x = AXES[chosen.get("x")] ? chosen.get("x") : "round";
    this.series = chosen.get("series") ?? "";
    this.select = h(
      "select",
      { onchange: () => this.#choose({ x: this.select.value }) },
      Object.entries(AXES).map(([value, label]) => h("option", { value, selected: value === this.x, disabled: value === "simulated_time" && !spec.edge }, label)),
    );
    const plots = Object.keys(FIGURES).map((name) => [name, h("div", { class: "plot", role: "img", "aria-label": `${FIGURES[name]} against the chosen axis` })]);
    this.#charts = plots.map(([name, plot]) => {
      const chart = new Chart(plot, () => this.#inTurn(() => this.#refine(chart)));
      return [name, chart];
    });
    this.more = h("select", { "aria-label": "Another series", onchange: () => this.#choose({ series: this.more.value }) });
    const other = h("div", { class: "plot", role: "img", "aria-label": "The other series" });
    this.#other = new Chart(other);
    const asked = Object.keys(ASKED).filter((field) => spec.evaluation?.[field]);
    const cards = asked.map((field) => [ASKED[field], h("div", { class: "plot", role: "img", "aria-label": ASKED[field].plot })]);
    this.#asked = cards.map(([{ name }, plot]) => [name, new Chart(plot)]);
    this.element = h(
      "div",
      {},
      h("div", { class: "filters" }, h("label", {}, "Against ", this.select)),
      h(
        "div",
        { class: "plots" },
        plots.map(([name, plot]) => h("section", { class: "card", "aria-label": FIGURES[name] }, h("h2", {}, FIGURES[name]), plot)),
        h("section", { class: "card", "aria-label": "Any series" }, h("h2", {}, "Any series ", this.more), other),
      ),
      cards.map(([{ label, heading }, plot]) => h("section", { class: "card wide", "aria-label": label }, h("h2", {}, heading), plot)),
    );
  }

  async #choose(changed) {
    Object.assign(this, changed);
    keepInAddress({ x: this.x === "round" ? null : this.x, series: this.series || null });
    await this.fetch();
  }

  fetch() {
    return this.#inTurn(() => this.#fetch());
  }

  append(rounds) {
    return this.#inTurn(() => this.#append(rounds));
  }

  // What was asked for and is not there yet is not asked for any more; resolves once nothing is under way.
  stop() {
    clearTimeout(this.#waiting);
    this.#waiting = 0;
    return this.#inTurn(() => {});
  }

  async #fetch() {
    const { figures, themes } = await request("GET", `${this.path}?x=${this.x}`);
    const drawn = this.#charts.map(([name, chart]) => chart.draw(figures[name], themes, "Nothing measured yet"));
    for (const [, chart] of this.#charts) for (const trace of chart.traces) this.#known.add(trace.meta.series);
    this.#tellLatest();
    await Promise.all(drawn);
    await Promise.all([...this.#charts.map(([, chart]) => this.#refine(chart)), ...this.#asked.map(([name, chart]) => this.#drawAsked(chart, figures[name], themes)), this.#fetchOther(), this.partitioned(figures.partition, themes)]);
  }

  // Lines of many rounds come thinned; of a stretch that is zoomed into, every point is wanted.
  async #refine(chart) {
    if (chart.zoom === null || this.x !== "round") return;
    const [from, to] = [Math.max(0, Math.floor(chart.zoom[0])), Math.max(0, Math.ceil(chart.zoom[1]))];
    const asked = new URLSearchParams({ experiment: this.id, from, to, points: ZOOMED_POINTS });
    const names = chart.traces.filter((trace) => !trace.meta.total).map((trace) => trace.meta.series);
    if (names.length === 0) return;
    for (const name of names) asked.append("series", name);
    try {
      const { experiments } = await request("GET", `/v1/series:query?${asked}`);
      await chart.refine(experiments[0].series, from, to);
    } catch (error) {
      if (!error.problem) throw error; // the thinned line stays
    }
  }

  async #drawAsked(chart, figure, themes) {
    const { title, ...layout } = figure?.layout ?? {};
    await chart.draw({ data: figure?.data ?? [], layout }, themes, "Nothing told yet");
  }

  // Which series there are is known from the values themselves.
  async #fetchOther() {
    const asked = new URLSearchParams({ points: 10, experiment: this.id });
    const { experiments } = await request("GET", `/v1/series:query?${asked}`);
    const names = Object.keys(experiments[0].series);
    if (this.more.dataset.names !== names.join()) {
      this.more.dataset.names = names.join();
      if (!names.includes(this.series)) this.series = names.find((name) => !this.#known.has(name)) ?? names[0] ?? "";
      this.more.replaceChildren(...names.map((name) => h("option", { value: name, selected: name === this.series }, name.replaceAll("_", " "))));
    }
    const wanted = new URLSearchParams({ id: this.id, series: this.series, x: this.x });
    const { figure, themes } = await request("GET", `/v1/experiments/compare/figure?${wanted}`);
    figure.layout.showlegend = false;
    await this.#other.draw(figure, themes, "Nothing measured yet");
  }

  async #append(rounds) {
    if (rounds.length === 0) return;
    const fresh = rounds.flatMap(({ metrics }) => Object.keys(metrics)).filter((name) => !this.#known.has(name));
    const long = this.#charts.some(([, chart]) => chart.traces.some((trace) => trace.x.length > MANY_POINTS));
    if (this.x === "round") {
      if (fresh.length > 0 || long) {
        // The first value of a series may need a line that the figures do not have yet.
        for (const name of fresh) this.#known.add(name);
        await this.#fetch();
      }
      await Promise.all(this.#charts.map(([, chart]) => chart.append(rounds)));
      this.#tellLatest();
    }
    this.#waiting ??= setTimeout(() => this.#again(), AGAIN_MS);
  }

  async #again() {
    this.#waiting = null;
    try {
      await this.#inTurn(() => (this.x === "round" && this.#asked.length === 0 ? this.#fetchOther() : this.#fetch()));
    } catch (error) {
      if (!error.problem) throw error; // the next rounds bring the next try
    }
  }

  #tellLatest() {
    const latest = {};
    for (const [, chart] of this.#charts) for (const trace of chart.traces) latest[trace.meta.series] = trace.y.at(-1);
    this.measured(latest);
  }
}
