// One sweep: its trials as parallel coordinates and as a table, how its search went, and which axes mattered; all of it follows
// the sweep until it ends.
import { Brush } from "/assets/brush.js";
import { Chart } from "/assets/chart.js";
import { inTurn, poll, request } from "/assets/http.js";
import { TrialTable } from "/assets/trials.js";
import { act, asked, badge, confirmed, h, keepInAddress, LIVE, progressBar, setBadge, setText, time } from "/assets/view.js";

const EVERY_MS = 1500;
// Weighing the axes takes the service a second or more.
const WEIGH_MS = 20_000;
const COMPARED = 10;

export async function show(main, id) {
  const path = `/v1/sweeps/${encodeURIComponent(id)}`;
  let page = null;
  const look = inTurn(async () => {
    const sweep = await request("GET", path);
    if (page === null) {
      page = layout(sweep, path, look);
      main.replaceChildren(...page.parts);
    }
    await page.update(sweep);
    return LIVE.has(sweep.state);
  });
  await poll(look, EVERY_MS);
}

function layout(sweep, path, look) {
  document.title = `${sweep.name} · heron-ray`;
  const state = badge(sweep.state);
  const progress = progressBar("trials ended");
  const why = h("p", { class: "why", "aria-live": "polite" });
  const problem = h("p", { class: "note bad", role: "alert", hidden: true });
  const actions = h("div", { class: "actions" });
  const compare = h("a", { class: "button", hidden: true }, "Compare the best");
  const table = new TrialTable();
  let known = sweep;
  const fill = () => table.update(figures.kept ? known.trials.filter((trial) => figures.kept.has(trial.number)) : known.trials, known.best?.number ?? null);
  const figures = new SweepFigures(path, sweep.objectives.length, fill);

  const parts = [
    h("div", { class: "title" }, h("div", { class: "heading" }, h("h1", {}, sweep.name), state), actions),
    h("p", { class: "under" }, h("code", {}, sweep.id), ` · space ${sweep.space} · ${sweep.search} · scheduler ${sweep.scheduler} · submitted `, time(sweep.created_at)),
    h("div", { class: "standing" }, progress.element, why),
    problem,
    figures.element,
    h("section", { class: "card wide" }, h("h2", {}, "Trials", h("span", { class: "aside" }, compare)), table.element),
  ];
  const update = async (latest) => {
    const ended = latest.trials.filter((trial) => !LIVE.has(trial.state)).length;
    setBadge(state, latest.state);
    setText(why, latest.message ?? latest.reason ?? "");
    why.classList.toggle("failed", latest.state === "FAILED");
    progress.update({ round: ended, rounds: latest.trials.length });
    offerActions(actions, latest, path, problem, look);
    known = latest;
    const best = latest.trials.filter((trial) => trial.validation_accuracy !== null && trial.experiment_id).sort((a, b) => b.validation_accuracy - a.validation_accuracy);
    compare.hidden = best.length < 2;
    compare.href = `/compare?ids=${best.slice(0, COMPARED).map((trial) => trial.experiment_id).join(",")}`;
    fill();
    await figures.update(latest);
  };
  return { parts, update };
}

function offerActions(actions, { state, paused, search, trials }, path, problem, look) {
  const live = LIVE.has(state);
  const failed = trials.some((trial) => trial.state === "FAILED");
  const wanted = [live && state !== "CANCELLING" && "cancel", live && !paused && "pause", paused && "resume", search !== "grid" && "extend", failed && (!live || paused) && "retry"].filter(Boolean);
  if (actions.dataset.offered === wanted.join()) return;
  actions.dataset.offered = wanted.join();
  const post = (verb, body) => async () => {
    await request("POST", `${path}/${verb}`, body);
    await look();
  };
  const made = {
    cancel: ["Cancel", async () => (await confirmed("Cancel this sweep? Trials that have ended stay.", "Cancel sweep")) && (await post("cancel")()), "danger"],
    pause: ["Pause", post("pause")],
    resume: ["Resume", post("resume")],
    retry: ["Retry failed trials", post("retry")],
    extend: [
      "Extend",
      async () => {
        const samples = Number(await asked("By how many more points?", "Extend"));
        if (samples) await post("extend", { samples })();
      },
    ],
  };
  actions.replaceChildren(...wanted.map((name) => h("button", { type: "button", class: made[name][2], onclick: act(problem, made[name][1]) }, made[name][0])));
}

// Parallel coordinates first; of one objective at a time its history, its slices and how much each axis matters.
class SweepFigures {
  #cards = new Map();
  #drawn = "";
  #weighed = { of: -1, at: -Infinity };
  #latest = null;

  // `narrowed()` is called when other trials are kept by brushing.
  constructor(path, objectives, narrowed) {
    Object.assign(this, { path, narrowed });
    this.objective = Number(new URLSearchParams(location.search).get("objective") ?? 0) || 0;
    this.choose = h("select", { onchange: () => this.#choose(Number(this.choose.value)) });
    this.chooser = h("div", { class: "filters", hidden: objectives < 2 }, h("label", {}, "Objective ", this.choose));
    this.wide = h("section", { class: "card wide", "aria-label": "Parallel coordinates" });
    this.grid = h("div", { class: "grid" });
    const plot = h("div", { class: "plot", role: "img", "aria-label": "Every trial as a line across what it overrides" });
    this.brush = new Brush(plot, () => this.#drawParallel());
    this.wide.append(h("h2", {}, "Parallel coordinates", this.brush.element), h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Plot" }, plot));
    this.parallel = new Chart(plot);
    this.element = h("div", {}, this.wide, this.chooser, this.grid);
  }

  get kept() {
    return this.brush.kept;
  }

  async #drawParallel() {
    const figure = this.brush.applied(this.coordinates);
    this.narrowed();
    await this.parallel.draw(figure, this.themes, "No trial measured yet");
  }

  async update(sweep) {
    this.#latest = sweep;
    const measured = JSON.stringify([this.objective, sweep.trials.map((trial) => [trial.number, trial.validation_accuracy, trial.test_accuracy, trial.values])]);
    if (measured === this.#drawn) return;
    this.#drawn = measured;
    const { figures, themes } = await request("GET", `${this.path}/figures`);
    Object.assign(this, { themes, coordinates: figures.parallel_coordinates });
    const labels = Object.keys(figures).filter((name) => name.startsWith("history: ")).map((name) => name.slice(9));
    this.#offer(labels);
    const label = labels[this.objective] ?? labels[0];
    const shown = { pareto: "Pareto front", [`history: ${label}`]: "History" };
    for (const name of Object.keys(figures)) if (name.startsWith("slice: ") && name.endsWith(`: ${label}`)) shown[name] = `Slice: ${name.slice(7, -label.length - 2)}`;
    const wanted = Object.keys(shown).filter((name) => figures[name]);
    for (const [name, { element }] of this.#cards) if (name !== "importance") element.hidden = !wanted.includes(name);
    await Promise.all([
      this.#drawParallel(),
      ...wanted.map((name) => this.#card(name, shown[name]).chart.draw(inSvg(figures[name]), themes, "No point has come to its end yet")),
    ]);
    await this.#weigh();
  }

  #offer(labels) {
    if (this.choose.options.length === labels.length) return;
    this.choose.replaceChildren(...labels.map((label, index) => h("option", { value: index, selected: index === this.objective }, label)));
  }

  async #choose(objective) {
    this.objective = objective;
    keepInAddress({ objective: objective || null });
    this.#weighed.at = -Infinity;
    this.#weighed.of = -1;
    await this.update(this.#latest);
  }

  #card(name, title) {
    if (!this.#cards.has(name)) {
      const plot = h("div", { class: "plot", role: "img", "aria-label": title });
      const element = h("section", { class: "card", "aria-label": title }, h("h2", {}, title), plot);
      this.grid.append(element);
      this.#cards.set(name, { element, chart: new Chart(plot) });
    }
    return this.#cards.get(name);
  }

  async #weigh() {
    const known = this.#latest.points.filter((point) => point.means !== null).length;
    if (known === this.#weighed.of || performance.now() - this.#weighed.at < WEIGH_MS) return;
    this.#weighed = { of: known, at: performance.now() };
    const { objectives } = await request("GET", `${this.path}/importance`);
    const figure = (objectives[this.objective] ?? objectives[0]).figure;
    await this.#card("importance", "Importance of the axes").chart.draw(figure, this.themes, "Too few points to tell");
  }
}

// WebGL would compile code from strings, which the pages' policy forbids. Cards are narrow, so legends lie above.
function inSvg({ data, layout }) {
  const legend = { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" };
  return { layout: { legend, ...layout }, data: data.map((trace) => (trace.type === "scattergl" ? { ...trace, type: "scatter" } : trace)) };
}
