// The table of a comparison: what differs in the specs and what came out, by experiment or by group of seeds; as CSV and LaTeX too.
import { bytes, count, h, percent, seconds } from "/assets/view.js";

const FIGURES = {
  validation_accuracy: ["Validation accuracy", percent],
  test_accuracy: ["Test accuracy", percent],
  auxiliary_accuracy: ["Auxiliary accuracy", percent],
  rounds: ["Rounds run", count],
  "costs.bytes_up": ["Bytes up", bytes],
  "costs.bytes_down": ["Bytes down", bytes],
  "costs.client_peak_bytes": ["Client memory", bytes],
  "edge.simulated_time_s": ["Simulated time", seconds],
  wall_seconds: ["Wall time", seconds],
};
const SEED = new Set(["seed", "name"]);

// `without(id)` is the address of the comparison without one experiment.
export function comparisonTable(without) {
  const head = h("thead");
  const body = h("tbody");
  let shown = { names: [], lines: [] };
  const save = (label, name, type, write) => h("button", { type: "button", onclick: () => download(name, type, write(shown)) }, label);
  const element = h(
    "section",
    { class: "card wide" },
    h(
      "div",
      { class: "title" },
      h("h2", {}, "What differs, and what came out"),
      h("div", { class: "actions" }, save("CSV", "comparison.csv", "text/csv", csv), save("LaTeX", "comparison.tex", "text/plain", latex)),
    ),
    h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Table" }, h("table", { class: "trials" }, head, body)),
  );
  let drawn = "";
  const update = (comparison, groups) => {
    const signature = JSON.stringify([comparison, groups]);
    if (signature === drawn) return;
    drawn = signature;
    shown = tabulated(comparison, groups);
    head.replaceChildren(h("tr", {}, shown.names.map((name) => h("th", { scope: "col" }, name))));
    body.replaceChildren(...shown.lines.map((line) => h("tr", {}, line.cells.map((cell, place) => drawCell(cell, place, line)))));
  };
  const drawCell = (cell, place, { id, state }) => {
    if (place > 0) return h("td", { class: "number" }, cell.text);
    if (!id) return h("th", { scope: "row" }, cell.text);
    return h("th", { scope: "row" }, h("a", { href: `/experiments/${id}` }, cell.text), h("span", { class: "quiet" }, ` ${state.toLowerCase()} `), h("a", { href: without(id), "aria-label": `Leave out ${cell.text}`, title: "Leave out" }, "×"));
  };
  return { element, update };
}

// Cells have `text` for people, `value` for machines and, of groups, `deviation`.
function tabulated({ experiments, differences, figures }, groups) {
  const paths = Object.keys(differences).filter((path) => path !== "name" && !(groups && SEED.has(path)));
  const measured = Object.keys(FIGURES).filter((name) => figures[name]);
  const members = groups ? Object.entries(groups) : experiments.map((one) => [one.name, [one.id]]);
  const lines = members.map(([label, ids]) => {
    const specs = paths.map((path) => plain(differences[path][ids[0]]));
    const results = measured.map((name) => summed(ids.map((id) => figures[name][id]).filter((value) => value !== undefined), FIGURES[name][1]));
    const single = ids.length === 1 ? experiments.find((one) => one.id === ids[0]) : null;
    const first = { text: single && groups ? single.name : label, value: single ? single.name : label };
    const seeds = groups ? [{ text: String(ids.length), value: ids.length }] : [];
    return { id: single?.id, state: single?.state, cells: [first, ...seeds, ...specs, ...results] };
  });
  return { names: [groups ? "Group" : "Experiment", ...(groups ? ["Runs"] : []), ...paths, ...measured.map((name) => FIGURES[name][0])], lines };
}

function plain(value) {
  if (value === undefined) return { text: "–", value: "" };
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return { text, value: text };
}

// One value, or the mean of several with their sample standard deviation.
function summed(values, format) {
  if (values.length === 0) return { text: "–", value: "" };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length === 1) return { text: format(mean), value: mean };
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
  return { text: deviation === 0 ? format(mean) : `${format(mean)} ± ${format(deviation)}`, value: mean, deviation };
}

function csv({ names, lines }) {
  const spread = names.map((_, place) => lines.some(({ cells }) => cells[place].deviation !== undefined));
  const head = names.flatMap((name, place) => (spread[place] ? [name, `${name}, standard deviation`] : [name]));
  const rows = lines.map(({ cells }) => cells.flatMap((cell, place) => (spread[place] ? [cell.value, cell.deviation ?? ""] : [cell.value])));
  return [head, ...rows].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
}

// A spreadsheet takes text that begins with one of these for a formula.
function quoted(value) {
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const SPECIAL = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "–": "--", "±": "$\\pm$" };

function latex({ names, lines }) {
  const escaped = (text) => text.replace(/[\\~^–±]|[&%$#_{}]/g, (sign) => SPECIAL[sign] ?? `\\${sign}`);
  const row = (texts) => `  ${texts.map(escaped).join(" & ")} \\\\`;
  return [
    "% needs \\usepackage{booktabs}",
    `\\begin{tabular}{l${"r".repeat(names.length - 1)}}`,
    "  \\toprule",
    row(names),
    "  \\midrule",
    ...lines.map(({ cells }) => row(cells.map((cell) => cell.text))),
    "  \\bottomrule",
    "\\end{tabular}",
    "",
  ].join("\n");
}

function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
