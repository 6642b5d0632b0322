// One study: how far its cells are, its figures from those that have ended, and every cell; all of it follows the study until its
// last cell has ended.
import { CellTable } from "/assets/cells.js";
import { Chart } from "/assets/chart.js";
import { poll, request } from "/assets/http.js";
import { ended, standing } from "/assets/standing.js";
import { act, badge, confirmed, count, h, LIVE, progressBar, setBadge, setText, time } from "/assets/view.js";
import { toYaml } from "/assets/yaml.js";

const EVERY_MS = 1500;
// The service reads every cell's spec to answer, so a large study is asked for less often.
const PER_CELL_MS = 5;
// In a lower figure the headings of panels would lie on the labels of those above.
const LOWEST = 560;
// Where a heat map has no value; Plotly's own grey is legible on it in either theme.
const NOTHING = "#b0b8c0";

export async function show(main, id) {
  const path = `/v1/studies/${encodeURIComponent(id)}`;
  let page = null;
  let everyMs = EVERY_MS;
  const look = async () => {
    const study = await request("GET", path);
    if (page === null) {
      page = layout(study, path);
      everyMs += PER_CELL_MS * study.cells;
    }
    await page.update(study);
    // Once figures have their sizes, so that nothing moves when they are drawn.
    if (!page.parts[0].isConnected) main.replaceChildren(...page.parts);
    await page.draw();
    return LIVE.has(standing(study.states));
  };
  await poll(look, () => everyMs);
}

function layout(study, path) {
  document.title = `${study.name} · heron-ray`;
  const state = badge(standing(study.states));
  const progress = progressBar("cells ended");
  const tally = h("p", { class: "why", "aria-live": "polite" });
  const problem = h("p", { class: "note bad", role: "alert", hidden: true });
  const table = new CellTable();
  const figures = new StudyFigures(path);
  const cancel = async () => {
    if (!(await confirmed("Cancel this study? Cells that have ended stay.", "Cancel study"))) return;
    await update(await request("POST", `${path}/cancel`));
    await figures.draw();
  };
  const button = h("button", { type: "button", class: "danger", onclick: act(problem, cancel) }, "Cancel");

  const parts = [
    h("div", { class: "title" }, h("div", { class: "heading" }, h("h1", {}, study.name), state), h("div", { class: "actions" }, button)),
    h("p", { class: "under" }, h("code", {}, study.id), ` · ${some(study.cells, "cell")}, ${some(study.experiments, "experiment")} · submitted `, time(study.created_at)),
    h("div", { class: "standing" }, progress.element, tally),
    problem,
    figures.element,
    h("section", { class: "card wide" }, h("h2", {}, "Cells"), table.element),
    h("details", { class: "card wide" }, h("summary", {}, h("strong", {}, "The study itself")), h("pre", { class: "spec" }, toYaml(study.study))),
  ];
  const update = async (latest) => {
    const stands = standing(latest.states);
    setBadge(state, stands);
    setText(tally, Object.entries(latest.states).map(([name, cells]) => `${count(cells)} ${name.toLowerCase()}`).join(", "));
    progress.update(ended(latest));
    button.hidden = !LIVE.has(stands) || stands === "CANCELLING";
    table.update(latest);
    await figures.update(latest);
  };
  return { parts, update, draw: () => figures.draw() };
}

function some(number, what) {
  return `${count(number)} ${what}${number === 1 ? "" : "s"}`;
}

class StudyFigures {
  #cards = new Map();
  #measured = null;
  #waiting = [];

  constructor(path) {
    this.path = path;
    this.element = h("div");
  }

  // Fetches the figures where an accuracy has come, and makes room for them; `draw` draws them once they are on the page.
  async update(study) {
    const measured = JSON.stringify(study.results.map((cell) => [cell.validation_accuracy, cell.auxiliary_validation_accuracy, cell.test_accuracy, cell.auxiliary_test_accuracy]));
    if (measured === this.#measured) return;
    const { figures, themes } = await request("GET", `${this.path}/figures`);
    this.#measured = measured;
    this.#waiting = Object.entries(figures).map(([name, figure]) => {
      if (!this.#cards.has(name)) this.#cards.set(name, this.#card(figure.layout.title.text.slice(`${study.name}: `.length)));
      const { plot, chart } = this.#cards.get(name);
      const { width, height, ...fitted } = fit(figure);
      Object.assign(plot.style, { minWidth: `${width}px`, height: `${height}px` });
      return () => chart.draw(fitted, themes, "No cell has come to its end yet");
    });
  }

  async draw() {
    await Promise.all(this.#waiting.splice(0).map((draw) => draw()));
  }

  #card(words) {
    const title = words[0].toUpperCase() + words.slice(1);
    const plot = h("div", { class: "plot", role: "img", "aria-label": `${title}. The table of cells has the values.` });
    this.element.append(h("section", { class: "card wide", "aria-label": title }, h("h2", {}, title), h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": `Plot: ${title}` }, plot)));
    return { plot, chart: new Chart(plot) };
  }
}

// The card has the title already. Panels are as large as what is written in them asks for.
function fit({ data, layout: { title, ...layout } }) {
  const isMap = data[0]?.type === "heatmap";
  const panels = (letter) => new Set(Object.keys(layout).filter((key) => key.startsWith(`${letter}axis`)).map((key) => layout[key].domain[0])).size;
  const [wide, high] = isMap ? [Math.max(140 * data[0].x.length, 200), Math.max(60 * data[0].y.length, 120)] : [300, 220];
  const values = data.flatMap((trace) => (isMap ? trace.z.flat() : trace.y));
  if (values.every((value) => value === null)) return { width: 0, height: 160, data: [], layout: { xaxis: { visible: false }, yaxis: { visible: false } } };
  const size = { width: panels("x") * wide + 200, height: Math.max(panels("y") * (high + 30) + 60, LOWEST) };
  if (!isMap) return { ...size, data, layout: { ...layout, margin: { t: 26 } } };
  for (const axis of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) layout[axis].showgrid = false;
  return { ...size, data: data.map((trace) => ({ ...trace, xgap: 2, ygap: 2 })), layout: { ...layout, margin: { t: 26 }, plot_bgcolor: NOTHING } };
}
