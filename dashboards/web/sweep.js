// One sweep: its trials as parallel coordinates and as a table, the best one marked; both follow it until it ends.
import { Chart } from "/assets/chart.js";
import { poll, request } from "/assets/http.js";
import { badge, confirmed, h, LIVE, percent, progressBar, Rows, setBadge, setText, time } from "/assets/view.js";

const EVERY_MS = 1500;

export async function show(main, id) {
  const path = `/v1/sweeps/${encodeURIComponent(id)}`;
  let page = null;
  const look = async () => {
    const sweep = await request("GET", path);
    if (page === null) {
      page = layout(sweep, path, look);
      main.replaceChildren(...page.parts);
    }
    await page.update(sweep);
    return LIVE.has(sweep.state);
  };
  await poll(look, EVERY_MS);
}

function layout(sweep, path, look) {
  document.title = `${sweep.name} · heron-ray`;
  const state = badge(sweep.state);
  const progress = progressBar("trials ended");
  const why = h("p", { class: "why", "aria-live": "polite" });
  const problem = h("p", { class: "note bad", role: "alert", hidden: true });
  const cancel = h("button", { type: "button", class: "danger", onclick: () => cancelled(path, problem, look) }, "Cancel");
  const plot = h("div", { class: "plot" });
  const chart = new Chart(plot);
  const table = trialTable();
  let drawn = null;

  const parts = [
    h("div", { class: "title" }, h("div", { class: "heading" }, h("h1", {}, sweep.name), state), h("div", { class: "actions" }, cancel)),
    h("p", { class: "under" }, h("code", {}, sweep.id), ` · space ${sweep.space} · submitted `, time(sweep.created_at)),
    h("div", { class: "standing" }, progress.element, why),
    problem,
    h("section", { class: "card wide", "aria-label": "Parallel coordinates" }, h("h2", {}, "Parallel coordinates"), h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Plot" }, plot)),
    h("section", { class: "card wide" }, h("h2", {}, "Trials"), table.element),
  ];
  const update = async (latest) => {
    const ended = latest.trials.filter((trial) => !LIVE.has(trial.state)).length;
    setBadge(state, latest.state);
    setText(why, latest.message ?? latest.reason ?? "");
    why.classList.toggle("failed", latest.state === "FAILED");
    progress.update({ round: ended, rounds: latest.trials.length });
    cancel.hidden = !LIVE.has(latest.state) || latest.state === "CANCELLING";
    table.update(latest.trials, latest.best?.number ?? null);
    const measured = JSON.stringify(latest.trials.map((trial) => [trial.number, trial.validation_accuracy, trial.test_accuracy]));
    if (measured === drawn) return;
    drawn = measured;
    const { figures, themes } = await request("GET", `${path}/figures`);
    await chart.draw(figures.parallel_coordinates, themes, "No trial measured yet");
  };
  return { parts, update };
}

async function cancelled(path, problem, look) {
  if (!(await confirmed("Cancel this sweep? Trials that have ended stay.", "Cancel sweep"))) return;
  problem.hidden = true;
  try {
    await request("POST", `${path}/cancel`);
    await look();
  } catch (error) {
    if (!error.problem) throw error;
    setText(problem, error.message);
    problem.hidden = false;
  }
}

// Overrides become columns as they are seen: trials are proposed some time after the sweep was submitted.
function trialTable() {
  const head = h("tr");
  const body = h("tbody");
  let columns = null;
  let rows = null;
  let best = null;
  const update = (trials, bestOne) => {
    best = bestOne;
    const paths = [...new Set(trials.flatMap((trial) => Object.keys(trial.overrides)))];
    if (columns !== paths.join()) {
      columns = paths.join();
      body.replaceChildren();
      rows = new Rows(body, (trial) => trial.number, (trial) => trialRow(trial, paths, () => best));
      const names = ["Trial", "State", ...paths, "Validation", "Test", "Experiment"];
      head.replaceChildren(...names.map((name) => h("th", { scope: "col" }, name)));
    }
    rows.update(trials);
  };
  const element = h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Trials" }, h("table", { class: "trials" }, h("thead", {}, head), body));
  return { element, update };
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
