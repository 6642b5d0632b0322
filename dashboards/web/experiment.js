// One experiment: where it stands and why, its curves, costs, files, spec and events, and what can be done with it.
import { Attempts } from "/assets/attempts.js";
import { Chart } from "/assets/chart.js";
import { Curves } from "/assets/curves.js";
import { EventLog } from "/assets/eventlog.js";
import { Feed } from "/assets/feed.js";
import { inTurn, poll, request } from "/assets/http.js";
import { filesOf, logOf } from "/assets/left.js";
import { act, badge, bytes, confirmed, count, h, LIVE, percent, progressBar, seconds, setBadge, setText, time } from "/assets/view.js";
import { toYaml } from "/assets/yaml.js";

const QUEUE_POLL_MS = 3000;

export async function show(main, id) {
  const path = `/v1/experiments/${encodeURIComponent(id)}`;
  const detail = await request("GET", path);
  document.title = `${detail.name} · heron-ray`;
  const page = layout(detail, path);
  main.replaceChildren(...page.parts);
  const refresh = inTurn(async () => page.update(await request("GET", path)));
  await page.update(detail);
  let feed = null;
  // What the page still asks for would not be there any more.
  const settle = async () => {
    await feed?.stop();
    await page.curves.stop();
  };
  page.onAction(refresh, settle);
  if (detail.state === "QUEUED") {
    // No event tells what a queued experiment waits for.
    await poll(async () => {
      const [latest, standing] = await Promise.all([request("GET", path), request("GET", `${path}/why`)]);
      await page.update(latest);
      if (latest.state === "QUEUED") page.explain(standing.why);
      return latest.state === "QUEUED";
    }, QUEUE_POLL_MS);
  }
  const drawn = page.curves.fetch();
  feed = new Feed(`${path}/events`, async (events) => {
    page.log.add(events);
    const rounds = events.filter((event) => event.kind === "round_finished").map((event) => event.data);
    const last = rounds.at(-1);
    if (last) page.progressed(last);
    if (!page.partition.known && events.some((event) => event.kind === "started")) await page.curves.fetch();
    if (events.some((event) => event.kind === "state" || event.kind === "finished")) await refresh();
    await page.curves.append(rounds);
  });
  await drawn;
}

function layout(detail, path) {
  const state = badge(detail.state);
  const progress = progressBar();
  const why = h("p", { class: "why", "aria-live": "polite" });
  const problem = h("p", { class: "note bad", role: "alert", hidden: true });
  const actions = h("div", { class: "actions" });
  const tiles = makeTiles();
  const partition = new Partition();
  const curves = new Curves(detail.id, detail.spec, tiles.update, (figure, themes) => partition.show(figure, themes));
  const log = new EventLog();
  const costs = h("dl", { class: "facts" });
  const costsKnown = h("span", { class: "aside" });
  const attempts = new Attempts();
  const files = filesOf(path);
  const output = logOf(path);
  const origins = h("dl", { class: "facts" });
  let current = detail;

  const parts = [
    h("div", { class: "title" }, h("div", { class: "heading" }, h("h1", {}, detail.name), state), actions),
    h("p", { class: "under" }, h("code", {}, detail.id), " · submitted ", time(detail.created_at), ...origin(detail), ...tagLinks(detail)),
    h("div", { class: "standing" }, progress.element, why),
    problem,
    tiles.element,
    curves.element,
    h(
      "div",
      { class: "columns" },
      card("Costs", [costs, files.traffic], { aside: costsKnown }),
      card("Events", log.element, { kind: "tall" }),
      card("Attempts", attempts.element),
    ),
    h("div", { class: "pair" }, partition.element, h("div", {}, card("Files", files.element), card("Provenance", [origins, files.facts]))),
    output.element,
    card("Spec", h("pre", { class: "spec" }, toYaml(detail.spec))),
  ];

  const update = async (latest) => {
    current = latest;
    setBadge(state, latest.state);
    progress.update(latest.progress);
    if (latest.state !== "QUEUED") explain(latest.message ?? latest.reason ?? "");
    else if (!why.textContent) explain(latest.waiting ?? "");
    why.classList.toggle("failed", latest.state === "FAILED");
    costs.replaceChildren(...costFacts(latest.result));
    setText(costsKnown, LIVE.has(latest.state) ? "known once the run has ended" : latest.result ? "" : "the run left no result");
    attempts.update(latest);
    output.update(latest);
    origins.replaceChildren(...facts(provenance(latest)));
    actions.dispatchEvent(new Event("update"));
    await files.update(latest);
  };
  const explain = (words) => setText(why, words);
  const progressed = ({ round, rounds }) => progress.update({ round, rounds });
  const onAction = (refresh, settle) => {
    const offer = () => offerActions({ actions, problem, path, refresh, settle, current });
    actions.addEventListener("update", offer);
    offer();
  };
  return { parts, update, explain, progressed, onAction, partition, curves, log };
}

function card(title, content, { kind = "", aside = null } = {}) {
  return h("section", { class: `card ${kind}` }, h("h2", {}, title, aside), content);
}

// Who holds what is known once the data are loaded, and never changes.
class Partition {
  known = false;

  constructor() {
    const plot = h("div", { class: "plot", role: "img", "aria-label": "Samples of each client by label" });
    this.about = h("span", { class: "aside" });
    this.chart = new Chart(plot);
    this.element = card("Partition", plot, { aside: this.about });
  }

  async show(figure, themes) {
    if (this.known) return;
    this.known = Boolean(figure);
    const { title, ...layout } = figure?.layout ?? {};
    // The card has the heading already, so of the title only what is said below it is left.
    setText(this.about, title?.text.replace(/^.*<sup>|<\/sup>$/g, "") ?? "");
    await this.chart.draw({ data: figure?.data ?? [], layout }, themes, "Known once the data are loaded");
  }
}

function origin(detail) {
  const link = (id) => h("a", { href: `/experiments/${id}` }, h("code", {}, id));
  return [
    ...(detail.retried_from ? [" · retry of ", link(detail.retried_from)] : []),
    ...(detail.forked_from ? [" · fork of ", link(detail.forked_from), ` after round ${count(detail.forked_round)}`] : []),
    ...(detail.sweep_id ? [` · trial ${detail.trial} of `, h("a", { href: `/sweeps/${detail.sweep_id}` }, "a sweep")] : []),
  ];
}

function tagLinks(detail) {
  return detail.tags.flatMap((tag) => [" ", h("a", { class: "tag", href: `/experiments?tag=${encodeURIComponent(tag)}` }, tag)]);
}

// Buttons are made anew only when what can be done changes, so that a focused one keeps its focus.
function offerActions({ actions, problem, path, refresh, settle, current }) {
  const live = LIVE.has(current.state);
  const wanted = current.state === "CANCELLING" ? "cancelling" : current.state === "QUEUED" ? "queued" : live ? "live" : "ended";
  if (actions.dataset.offered === wanted) return;
  actions.dataset.offered = wanted;
  const asking = (question, label, doIt) => act(problem, async () => (await confirmed(question, label)) && (await doIt()));
  const end = (verb) => async () => {
    await request("POST", `${path}/${verb}`);
    await refresh();
  };
  const cancel = asking("Cancel this experiment? What it has measured stays.", "Cancel experiment", end("cancel"));
  const kill = asking("Kill this experiment? Its round is lost.", "Kill experiment", end("kill"));
  const retry = act(problem, async () => location.assign(`/experiments/${(await request("POST", `${path}/retry`)).id}`));
  const remove = asking("Delete this experiment with its curves, events and files?", "Delete experiment", async () => {
    await settle();
    await request("DELETE", path);
    location.assign("/experiments");
  });
  const button = (label, onclick, kind) => h("button", { type: "button", onclick, class: kind }, label);
  const fork = h("a", { class: "button", href: `/submit?from=${current.id}` }, live ? "Copy with changes" : "Fork or copy");
  const offered = {
    queued: [button("Cancel", cancel, "danger"), fork],
    cancelling: [button("Kill", kill, "danger"), fork],
    live: [button("Cancel", cancel, "danger"), button("Kill", kill, "danger"), fork],
    ended: [button("Retry", retry), fork, button("Delete", remove, "danger")],
  };
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
  const known = {
    "Client MACs per step": count(costs.client_macs_per_step),
    "Client FLOPs per step": count(costs.client_flops_per_step),
    "Client peak memory": bytes(costs.client_peak_bytes),
    "Bytes up, in all": bytes(costs.bytes_up),
    "Bytes down, in all": bytes(costs.bytes_down),
    "Wall time": seconds(result?.wall_seconds),
    "Trajectory digest": result?.trajectory_digest ? h("code", { title: result.trajectory_digest }, result.trajectory_digest.slice(0, 16)) : "–",
  };
  return facts(known);
}

function provenance(detail) {
  const hash = (value) => h("code", { title: value }, value.slice(0, 16));
  const resources = detail.resources ?? {};
  const estimated = (name) => (resources.estimated?.includes(name) ? " (estimated)" : "");
  return {
    "Spec hash": hash(detail.spec_hash),
    "Trajectory hash": hash(detail.trajectory_hash),
    "Submitted with key": detail.submitted_by ?? "none, from this machine",
    CPUs: resources.cpus === undefined || resources.cpus === null ? "–" : `${resources.cpus}${estimated("cpus")}`,
    Memory: resources.memory_bytes ? `${bytes(resources.memory_bytes)}${estimated("memory_bytes")}` : "–",
  };
}

function facts(named) {
  return Object.entries(named).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
}
