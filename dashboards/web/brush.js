// Brushing of parallel coordinates: a stretch dragged along an axis keeps the lines that cross the axis there and dims the others.
// The lines lie one after another in a few traces, with a gap behind each; `customdata` says which trial's they are.
import { h, keepInAddress, setText } from "/assets/view.js";

// An axis is taken hold of within this part of the distance to the next one.
const REACH = 0.3;
// Dragged less far than this share of the height, a stretch is a click, which lets go of the axis.
const LEAST = 0.02;
// Half of a stretch's width, as a share of the figure's.
const WIDTH = 0.006;
const DIMMED = { opacity: 0.12, hoverinfo: "skip", hovertemplate: null, mode: "lines" };

export class Brush {
  #stretches = new Map();
  #drag = null;
  #plot;
  #changed;
  #figure = null;

  // The numbers of the trials that are kept; null: all of them.
  kept = null;

  // `changed()` is called when what is kept may have changed.
  constructor(plot, changed) {
    this.#plot = plot;
    this.#changed = changed;
    this.told = h("span", { class: "quiet", role: "status" });
    this.clear = h("button", { type: "button", hidden: true, onclick: () => this.#set(new Map()) }, "Show all");
    this.element = h("span", { class: "aside" }, this.told, " ", this.clear);
    for (const [axis, low, high] of asked(new URLSearchParams(location.search).get("brush"))) this.#stretches.set(axis, [low, high]);
    plot.addEventListener("pointerdown", (event) => this.#begin(event));
    plot.addEventListener("pointermove", (event) => this.#move(event));
    plot.addEventListener("pointerup", (event) => this.#end(event));
    plot.addEventListener("pointercancel", () => this.#drop());
  }

  // The figure with what is not kept dimmed, and the stretches in it.
  applied(figure) {
    this.#figure = figure;
    // An address may speak of more axes than there are yet.
    const stretches = [...this.#stretches].filter(([axis]) => axis in (figure.layout.xaxis.tickvals ?? []));
    if (stretches.length === 0) return this.#tell(null, figure);
    const kept = new Set();
    let lines = 0;
    const data = figure.data.flatMap((trace) => {
      const [inside, outside] = [[], []];
      for (const line of linesOf(trace)) {
        lines += 1;
        const keeps = stretches.every(([axis, [low, high]]) => within(trace.y[line.start + axis], low, high));
        (keeps ? inside : outside).push(line);
        if (keeps) kept.add(trace.customdata[line.start]);
      }
      return [only(trace, outside, DIMMED), only(trace, inside, {})].filter((some) => some.x.length > 0);
    });
    const half = WIDTH * figure.layout.xaxis.tickvals.length;
    const shapes = stretches.map(([axis, [low, high]]) => ({ type: "rect", layer: "below", x0: axis - half, x1: axis + half, y0: low, y1: high, fillcolor: "#0072B2", opacity: 0.35, line: { width: 0 } }));
    return this.#tell({ kept, lines }, { data, layout: { ...figure.layout, shapes } });
  }

  #tell(found, figure) {
    this.kept = found?.kept ?? null;
    const text = found ? `${found.kept.size} of ${found.lines} measured trials` : figure.data.length > 0 ? "Drag along an axis to keep trials" : "";
    setText(this.told, text);
    this.clear.hidden = found === null;
    return figure;
  }

  #set(stretches) {
    this.#stretches = stretches;
    const told = [...stretches].map(([axis, [low, high]]) => [axis, low.toFixed(3), high.toFixed(3)].join(":")).join(";");
    keepInAddress({ brush: told || null });
    this.#changed();
  }

  // Where a pointer is: the nearest axis within reach, or null, and the height on it, as the figure counts both.
  #place(event) {
    const area = this.#plot.querySelector(".nsewdrag")?.getBoundingClientRect();
    if (!area || !this.#figure?.data.length) return null;
    const { xaxis, yaxis } = this.#figure.layout;
    const along = (value, [from, to]) => from + value * (to - from);
    const x = along((event.clientX - area.left) / area.width, xaxis.range);
    const y = along((area.bottom - event.clientY) / area.height, yaxis.range);
    const axis = Math.round(x);
    const isThere = Math.abs(x - axis) <= REACH && axis >= 0 && axis < xaxis.tickvals.length && y >= yaxis.range[0] && y <= yaxis.range[1];
    return { axis: isThere ? axis : null, y, area };
  }

  #begin(event) {
    const place = event.button === 0 ? this.#place(event) : null;
    if (place === null || place.axis === null) return;
    event.preventDefault();
    this.#plot.setPointerCapture(event.pointerId);
    const band = h("div", { class: "brush" });
    this.#plot.append(band);
    this.#drag = { axis: place.axis, from: place.y, fromY: event.clientY, band };
  }

  #move(event) {
    if (!this.#drag) return;
    const outer = this.#plot.getBoundingClientRect();
    const top = Math.min(this.#drag.fromY, event.clientY) - outer.top;
    const { area } = this.#place(event) ?? {};
    const { range } = this.#figure.layout.xaxis;
    const middle = area.left - outer.left + ((this.#drag.axis - range[0]) / (range[1] - range[0])) * area.width;
    Object.assign(this.#drag.band.style, { top: `${top}px`, height: `${Math.abs(event.clientY - this.#drag.fromY)}px`, left: `${middle - 7}px` });
  }

  #end(event) {
    if (!this.#drag) return;
    const { axis, from } = this.#drag;
    const { y } = this.#place(event) ?? { y: from };
    this.#drop();
    const stretches = new Map(this.#stretches);
    if (Math.abs(y - from) < LEAST) stretches.delete(axis);
    else stretches.set(axis, [Math.min(y, from), Math.max(y, from)]);
    this.#set(stretches);
  }

  #drop() {
    this.#drag?.band.remove();
    this.#drag = null;
  }
}

function asked(text) {
  const found = (text ?? "").split(";").map((one) => one.split(":").map(Number));
  return found.filter((one) => one.length === 3 && one.every(Number.isFinite));
}

function within(height, low, high) {
  return height !== null && height >= low && height <= high;
}

function linesOf({ x }) {
  const found = [];
  let start = 0;
  x.forEach((place, index) => {
    if (place !== null) return;
    found.push({ start, end: index + 1 });
    start = index + 1;
  });
  return found;
}

function only(trace, lines, changed) {
  const pick = (values) => lines.flatMap(({ start, end }) => values.slice(start, end));
  return { ...trace, ...changed, x: pick(trace.x), y: pick(trace.y), text: pick(trace.text), customdata: pick(trace.customdata) };
}
