// One experiment: where it stands, its curves, costs, spec and events, and what can be done with it.
import { Chart } from "/assets/chart.js";
import { EventLog } from "/assets/eventlog.js";
import { Feed } from "/assets/feed.js";
import { poll, request } from "/assets/http.js";
import { badge, bytes, confirmed, count, h, LIVE, percent, progressBar, seconds, setBadge, setText, time } from "/assets/view.js";
import { toYaml } from "/assets/yaml.js";

const FIGURES = { accuracy: "Accuracy", losses: "Losses", bytes: "Bytes sent" };
// Lines that grew beyond this are fetched again, thinned by the service.
const MANY_POINTS = 6000;
const QUEUE_POLL_MS = 3000;

export async function show(main, id) {
  const path = `/v1/experiments/${encodeURIComponent(id)}`;
  const detail = await request("GET", path);
  document.title = `${detail.name} · heron-ray`;
  const page = layout(detail);
  main.replaceChildren(...page.parts);
  const refresh = async () => page.update(await request("GET", path));
  page.update(detail);
  const settle = async () => {
    await feed.stop();
    await drawn;
  };
  page.onAction(path, refresh, settle);
  if (detail.state === "QUEUED") {
    // No event tells what a queued experiment waits for.
    await poll(async () => {
      const latest = await request("GET", path);
      page.update(latest);
      return latest.state === "QUEUED";
    }, QUEUE_POLL_MS);
  }
  const curves = new Curves(page.figures, `${path}/figures`, page.tiles);
  const drawn = curves.fetch();
  const feed = new Feed(`${path}/events`, async (events) => {
    page.log.add(events);
    const rounds = events.filter((event) => event.kind === "round_finished").map((event) => event.data);
    const last = rounds.at(-1);
    if (last) page.progressed(last);
    if (events.some((event) => event.kind === "state" || event.kind === "finished")) await refresh();
    await drawn;
    await curves.append(rounds);
  });
  await drawn;
}

class Curves {
  #charts;
  #known = new Set();

  constructor(elements, path, tiles) {
    this.#charts = Object.entries(elements).map(([name, element]) => [name, new Chart(element)]);
    Object.assign(this, { path, tiles });
  }

  async fetch() {
    const { figures, themes } = await request("GET", this.path);
    const drawn = this.#charts.map(([name, chart]) => chart.draw(figures[name], themes, "Nothing measured yet"));
    for (const [, chart] of this.#charts) for (const trace of chart.traces) this.#known.add(trace.meta.series);
    this.#updateTiles();
    await Promise.all(drawn);
  }

  async append(rounds) {
    if (rounds.length === 0) return;
    const fresh = rounds.flatMap(({ metrics }) => Object.keys(metrics)).filter((name) => !this.#known.has(name));
    const long = this.#charts.some(([, chart]) => chart.traces.some((trace) => trace.x.length > MANY_POINTS));
    if (fresh.length > 0 || long) {
      // The first value of a series may need a line that the figures do not have yet.
      for (const name of fresh) this.#known.add(name);
      await this.fetch();
    }
    const drawn = this.#charts.map(([, chart]) => chart.append(rounds));
    this.#updateTiles();
    await Promise.all(drawn);
  }

  #updateTiles() {
    const latest = {};
    for (const [, chart] of this.#charts) for (const trace of chart.traces) latest[trace.meta.series] = trace.y.at(-1);
    this.tiles.update(latest);
  }
}

function layout(detail) {
  const state = badge(detail.state);
  const progress = progressBar();
  const why = h("p", { class: "why", "aria-live": "polite" });
  const problem = h("p", { class: "note bad", role: "alert", hidden: true });
  const actions = h("div", { class: "actions" });
  const tiles = makeTiles();
  const figures = Object.fromEntries(Object.keys(FIGURES).map((name) => [name, h("div", { class: "plot" })]));
  const log = new EventLog();
  const costs = h("dl", { class: "facts" });
  const costsKnown = h("span", { class: "aside" });
  const attempts = h("tbody");
  let current = detail;

  const parts = [
    h(
      "div",
      { class: "title" },
      h("div", { class: "heading" }, h("h1", {}, detail.name), state),
      actions,
    ),
    h("p", { class: "under" }, h("code", {}, detail.id), " · submitted ", time(detail.created_at), ...origin(detail), ...tagLinks(detail)),
    h("div", { class: "standing" }, progress.element, why),
    problem,
    tiles.element,
    h(
      "div",
      { class: "plots" },
      Object.entries(FIGURES).map(([name, title]) => h("section", { class: "card", "aria-label": title }, h("h2", {}, title), figures[name])),
    ),
    h(
      "div",
      { class: "columns" },
      h("section", { class: "card" }, h("h2", {}, "Costs", costsKnown), costs),
      h("section", { class: "card tall" }, h("h2", {}, "Events"), log.element),
      h(
        "section",
        { class: "card" },
        h("h2", {}, "Attempts"),
        h(
          "div",
          { class: "attempts", tabindex: 0, role: "region", "aria-label": "Attempts" },
          h("table", {}, h("thead", {}, h("tr", {}, ["#", "Node", "Started", "Took", "End"].map((name) => h("th", { scope: "col" }, name)))), attempts),
        ),
      ),
    ),
    h("section", { class: "card" }, h("h2", {}, "Spec"), h("pre", { class: "spec" }, toYaml(detail.spec))),
  ];

  const update = (latest) => {
    current = latest;
    setBadge(state, latest.state);
    progress.update(latest.progress);
    setText(why, latest.waiting ?? latest.message ?? latest.reason ?? "");
    why.classList.toggle("failed", latest.state === "FAILED");
    costs.replaceChildren(...costFacts(latest.result));
    setText(costsKnown, LIVE.has(latest.state) ? "known once the run has ended" : latest.result ? "" : "the run left no result");
    attempts.replaceChildren(...attemptRows(latest.attempts));
    actions.dispatchEvent(new Event("update"));
  };
  const progressed = ({ round, rounds }) => progress.update({ round, rounds });
  const onAction = (path, refresh, settle) => {
    const offer = () => offerActions({ actions, problem, path, refresh, settle, live: LIVE.has(current.state), cancelling: current.state === "CANCELLING" });
    actions.addEventListener("update", offer);
    offer();
  };
  return { parts, update, progressed, onAction, figures, tiles, log };
}

function origin(detail) {
  return detail.retried_from ? [" · retry of ", h("a", { href: `/experiments/${detail.retried_from}` }, h("code", {}, detail.retried_from))] : [];
}

function tagLinks(detail) {
  return detail.tags.flatMap((tag) => [" ", h("a", { class: "tag", href: `/experiments?tag=${encodeURIComponent(tag)}` }, tag)]);
}

// Buttons are made anew only when what can be done changes, so that a focused one keeps its focus.
function offerActions({ actions, problem, path, refresh, settle, live, cancelling }) {
  const wanted = cancelling ? "cancelling" : live ? "live" : "ended";
  if (actions.dataset.offered === wanted) return;
  actions.dataset.offered = wanted;
  const act = async (question, label, doIt) => {
    if (question && !(await confirmed(question, label))) return;
    problem.hidden = true;
    try {
      await doIt();
    } catch (error) {
      if (!error.problem) throw error;
      setText(problem, error.message);
      problem.hidden = false;
    }
  };
  const cancel = () => act("Cancel this experiment? What it has measured stays.", "Cancel experiment", async () => {
    await request("POST", `${path}/cancel`);
    await refresh();
  });
  const kill = () => act("Kill this experiment? Its round is lost.", "Kill experiment", async () => {
    await request("POST", `${path}/kill`);
    await refresh();
  });
  const retry = () => act(null, "", async () => {
    const made = await request("POST", `${path}/retry`);
    location.assign(`/experiments/${made.id}`);
  });
  const remove = () => act("Delete this experiment with its curves and events?", "Delete experiment", async () => {
    await settle(); // what the page still asks for would not be there any more
    await request("DELETE", path);
    location.assign("/experiments");
  });
  const button = (label, onclick, kind) => h("button", { type: "button", onclick, class: kind }, label);
  const offered = { cancelling: [button("Kill", kill, "danger")], live: [button("Cancel", cancel, "danger")], ended: [button("Retry", retry), button("Delete", remove, "danger")] };
  actions.replaceChildren(...offered[wanted]);
}

function makeTiles() {
  const tiles = {
    test_accuracy: ["Server, test accuracy", percent],
    auxiliary_test_accuracy: ["Auxiliary head, test accuracy", percent],
    validation_accuracy: ["Server, validation accuracy", percent],
    bytes_up: ["Sent by clients", bytes],
    bytes_down: ["Sent to clients", bytes],
  };
  const values = Object.fromEntries(Object.keys(tiles).map((name) => [name, h("dd", {}, "–")]));
  const element = h("dl", { class: "tiles" }, Object.entries(tiles).map(([name, [label]]) => h("div", {}, h("dt", {}, label), values[name])));
  const update = (latest) => {
    for (const [name, [, format]] of Object.entries(tiles)) setText(values[name], format(latest[name]));
  };
  return { element, update };
}

function costFacts(result) {
  const costs = result?.costs ?? {};
  const facts = {
    "Client MACs per step": count(costs.client_macs_per_step),
    "Client FLOPs per step": count(costs.client_flops_per_step),
    "Client peak memory": bytes(costs.client_peak_bytes),
    "Bytes up, in all": bytes(costs.bytes_up),
    "Bytes down, in all": bytes(costs.bytes_down),
    "Wall time": seconds(result?.wall_seconds),
    "Trajectory digest": result?.trajectory_digest ? h("code", { title: result.trajectory_digest }, result.trajectory_digest.slice(0, 16)) : "–",
  };
  return Object.entries(facts).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
}

function attemptRows(attempts) {
  if (attempts.length === 0) return [h("tr", {}, h("td", { colspan: 5, class: "quiet" }, "None begun yet."))];
  return attempts.map((attempt) =>
    h(
      "tr",
      {},
      h("td", {}, String(attempt.number)),
      h("td", {}, attempt.node ?? "–"),
      h("td", {}, time(attempt.started_at)),
      h("td", {}, attempt.ended_at ? seconds((new Date(attempt.ended_at) - new Date(attempt.started_at)) / 1000) : "–"),
      h("td", {}, attempt.ended_at ? (attempt.exit_reason ?? "–") : "under way"),
    ),
  );
}
