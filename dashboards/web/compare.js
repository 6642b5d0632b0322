// Experiments beside one another: one series of all of them in a figure, and where their specs and results differ as a table.
// The address holds the experiments and every choice.
import { Chart } from "/assets/chart.js";
import { comparisonTable } from "/assets/comparetable.js";
import { inTurn, poll, request } from "/assets/http.js";
import { h, LIVE } from "/assets/view.js";

const EVERY_MS = 4000;
const MOST = 50;
const AXES = { round: "round", bytes: "bytes sent", simulated_time: "simulated time", wall_time: "wall time" };
const SMOOTHINGS = { 0: "none", 0.6: "some (0.6)", 0.9: "much (0.9)", 0.98: "very much (0.98)" };
const STANDARD = { series: "test_accuracy", x: "round", smoothing: "0", log_x: "false", log_y: "false", grouped: "true" };

export async function show(main) {
  document.title = "Compare · heron-ray";
  const chosen = new URLSearchParams(location.search);
  const ids = [...new Set((chosen.get("ids") ?? "").split(/[\s,]+/).filter(Boolean))];
  if (ids.length < 2 || ids.length > MOST) {
    main.replaceChildren(h("div", { class: "title" }, h("h1", {}, "Compare")), asking(ids));
    return;
  }
  const asked = new URLSearchParams(ids.map((id) => ["id", id]));
  const plot = h("div", { class: "plot", role: "img", "aria-label": "The chosen series of every experiment" });
  const chart = new Chart(plot);
  const table = comparisonTable((id) => address({ ids: ids.filter((one) => one !== id).join(",") }, chosen));
  let controls = null;
  let comparison = null;
  let groups = {};
  const draw = inTurn(async () => {
    const figure = new URLSearchParams(asked);
    for (const [name, standard] of Object.entries(STANDARD)) figure.set(name, chosen.get(name) ?? standard);
    const answer = await request("GET", `/v1/experiments/compare/figure?${figure}`);
    groups = answer.groups;
    table.update(comparison, figure.get("grouped") === "true" ? groups : null);
    await chart.draw(answer.figure, answer.themes, "None of them has this series on this axis");
  });
  const choose = async (name, value) => {
    if (value === STANDARD[name]) chosen.delete(name);
    else chosen.set(name, value);
    history.replaceState(null, "", address({}, chosen));
    await draw();
  };
  await poll(async () => {
    comparison = await request("GET", `/v1/experiments/compare?${asked}`);
    const names = [...comparison.shared_series, ...Object.keys(comparison.series)].sort();
    if (controls?.dataset.names !== names.join()) {
      const made = choices(names, chosen, choose);
      controls?.replaceWith(made);
      controls = made;
    }
    if (!table.element.isConnected) {
      const curves = h("section", { class: "card wide", "aria-label": "Curves" }, plot);
      main.replaceChildren(h("div", { class: "title" }, h("h1", {}, `Compare ${ids.length} experiments`)), controls, curves, table.element);
    }
    await draw();
    return comparison.experiments.some((one) => LIVE.has(one.state));
  }, EVERY_MS);
}

function address(changed, chosen) {
  const target = new URLSearchParams(chosen);
  for (const [name, value] of Object.entries(changed)) target.set(name, value);
  // Commas need no escape in a query, and addresses are read by people.
  return `/compare?${target.toString().replaceAll("%2C", ",")}`;
}

function asking(ids) {
  const field = h("input", { name: "ids", type: "search", size: 60, placeholder: "ids, with commas between them", value: ids.join(", ") });
  const many = ids.length > MOST ? `${ids.length} are too many: at most ${MOST} can be compared.` : "Two experiments or more can be compared.";
  return h(
    "section",
    { class: "note" },
    h("h2", {}, many),
    h("p", {}, "Tick them in ", h("a", { href: "/experiments" }, "the list"), ", or name them here."),
    h("form", { class: "filters" }, h("label", {}, "Experiments ", field), h("button", {}, "Compare")),
  );
}

function choices(names, chosen, choose) {
  const current = (name) => chosen.get(name) ?? STANDARD[name];
  const select = (name, options) =>
    h(
      "select",
      { name, onchange: (event) => choose(name, event.target.value) },
      options.map(([value, label]) => h("option", { value, selected: value === current(name) }, label)),
    );
  const box = (name, label) =>
    h("label", {}, h("input", { type: "checkbox", name, checked: current(name) === "true", onchange: (event) => choose(name, String(event.target.checked)) }), label);
  const series = names.includes(current("series")) ? names : [current("series"), ...names];
  return h(
    "form",
    { class: "filters", "data-names": names.join(), "aria-label": "What is drawn", onsubmit: (event) => event.preventDefault() },
    h("label", {}, "Series ", select("series", series.map((name) => [name, name.replaceAll("_", " ")]))),
    h("label", {}, "Against ", select("x", Object.entries(AXES))),
    h("label", {}, "Smoothing ", select("smoothing", Object.entries(SMOOTHINGS).sort(([a], [b]) => a - b))),
    box("log_x", "log across"),
    box("log_y", "log up"),
    box("grouped", "seeds as a band"),
  );
}
