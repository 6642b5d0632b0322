// A Plotly figure on the page: laid out by the service, drawn here, in the theme's colours, with points appended as they come.

let library = null;

function plotly() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/assets/plotly.min.js";
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => {
      // The next figure asks again.
      library = null;
      reject(new Error("plotly.min.js could not be loaded"));
    });
    document.head.append(script);
  });
  return library;
}

const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false };

export class Chart {
  #figure = null;
  #themes = null;
  #element;
  #heard = false;

  // The stretch of the axis across that is looked at, as [from, to]; null: all of it.
  zoom = null;

  // `zoomed()` is called when another stretch is.
  constructor(element, zoomed = () => {}) {
    this.#element = element;
    this.zoomed = zoomed;
    document.addEventListener("themechange", () => this.#figure && this.#react());
  }

  get traces() {
    return this.#figure?.data ?? [];
  }

  // `emptyText` stands in the figure's place while there is nothing to draw.
  async draw(figure, themes, emptyText) {
    this.#element.dataset.empty = figure.data.length === 0 ? emptyText : "";
    this.#figure = figure;
    this.#themes = themes;
    await this.#react();
  }

  // Adds each round's metrics to the lines that draw them; a line skips rounds it already has.
  async append(rounds) {
    const changed = new Map();
    for (const { round, metrics } of rounds) {
      this.traces.forEach((trace, index) => {
        const value = metrics[trace.meta.series];
        if (value === undefined || round <= (trace.x.at(-1) ?? 0)) return;
        trace.x.push(round);
        trace.y.push(trace.meta.total ? (trace.y.at(-1) ?? 0) + value : value);
        changed.set(index, true);
      });
    }
    if (changed.size > 0) await this.#react();
  }

  // Puts closer points of some series, as {series: {rounds, values}}, in the place of those from round `from` to round `to`.
  async refine(curves, from, to) {
    for (const trace of this.traces) {
      const closer = curves[trace.meta.series];
      if (!closer || trace.meta.total) continue;
      const before = trace.x.findIndex((round) => round >= from);
      const after = trace.x.findIndex((round) => round > to);
      const [start, end] = [before < 0 ? trace.x.length : before, after < 0 ? trace.x.length : after];
      trace.x = [...trace.x.slice(0, start), ...closer.rounds, ...trace.x.slice(end)];
      trace.y = [...trace.y.slice(0, start), ...closer.values, ...trace.y.slice(end)];
    }
    await this.#react();
  }

  #listen() {
    if (this.#heard) return;
    this.#heard = true;
    this.#element.on("plotly_relayout", (changed) => {
      const [from, to] = [changed["xaxis.range[0]"], changed["xaxis.range[1]"]];
      if (from === undefined && !changed["xaxis.autorange"]) return;
      this.zoom = from === undefined ? null : [from, to];
      this.zoomed();
    });
  }

  async #react() {
    const template = this.#themes[document.documentElement.dataset.theme];
    const { data } = this.#figure;
    const layout = { ...this.#figure.layout, template, uirevision: "kept", datarevision: performance.now() };
    try {
      await (await plotly()).react(this.#element, data, layout, CONFIG);
      this.#listen();
    } catch (error) {
      this.#element.dataset.empty = "This figure could not be drawn.";
      console.error(error);
    }
  }
}
