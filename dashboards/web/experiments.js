// The list of experiments, newest first, kept up to date; filters and pages are plain links and a plain form.
import { poll, request } from "/assets/http.js";
import { badge, h, LIVE, progressBar, Rows, setBadge, setText, setTime, time } from "/assets/view.js";

const STATES = [...LIVE, "SUCCEEDED", "FAILED", "CANCELLED"];
const PAGE = 50;
const EVERY_MS = 2000;

export async function show(main) {
  document.title = "Experiments · heron-ray";
  const chosen = new URLSearchParams(location.search);
  const body = h("tbody");
  const rows = new Rows(body, (experiment) => experiment.id, (experiment) => row(experiment));
  const table = h(
    "table",
    { class: "list" },
    h("thead", {}, h("tr", {}, ["State", "Experiment", "Rounds", "Tags", "Submitted", "Updated"].map((name) => h("th", { scope: "col" }, name)))),
    body,
  );
  const empty = h("section", { class: "note", hidden: true }, emptyText(chosen));
  const pages = h("nav", { class: "pages", "aria-label": "Older and newer" });
  let drawn = false;
  await poll(async () => {
    const page = await request("GET", `/v1/experiments?${query(chosen)}`);
    rows.update(page.experiments);
    table.hidden = page.experiments.length === 0;
    empty.hidden = page.experiments.length > 0;
    updatePages(pages, chosen, page.next);
    if (!drawn) main.replaceChildren(h("div", { class: "title" }, h("h1", {}, "Experiments"), filters(chosen)), table, empty, pages);
    drawn = true;
  }, EVERY_MS);
}

function query(chosen) {
  const asked = new URLSearchParams({ limit: PAGE });
  for (const name of ["tag", "before"]) if (chosen.get(name)) asked.set(name, chosen.get(name));
  const state = chosen.get("state");
  for (const one of state === "live" ? LIVE : state ? [state] : []) asked.append("state", one);
  return asked;
}

function filters(chosen) {
  const options = [["", "any state"], ["live", "not ended"], ...STATES.map((state) => [state, state.toLowerCase()])];
  const state = h(
    "select",
    { name: "state", onchange: (event) => event.target.form.requestSubmit() },
    options.map(([value, label]) => h("option", { value, selected: value === (chosen.get("state") ?? "") }, label)),
  );
  const tag = h("input", { name: "tag", type: "search", size: 14, placeholder: "any tag", maxlength: 64, value: chosen.get("tag") ?? "" });
  return h("form", { class: "filters", role: "search" }, h("label", {}, "State ", state), h("label", {}, "Tag ", tag), h("button", {}, "Filter"));
}

function emptyText(chosen) {
  if ([...chosen.values()].some(Boolean)) {
    return [h("p", {}, "No experiment matches."), h("p", {}, h("a", { href: "/experiments" }, "Show all experiments"))];
  }
  return [h("h2", {}, "No experiments yet"), h("p", {}, "Submit one:"), h("pre", {}, "heron submit experiments/digits-heron.yaml")];
}

function updatePages(pages, chosen, next) {
  const links = [];
  if (chosen.get("before")) links.push(link(chosen, null, "← Newest"));
  if (next) links.push(link(chosen, next, "Older →"));
  // Replaced only when something changed, so that a focused link keeps its focus.
  if (pages.dataset.next !== String(next)) pages.replaceChildren(...links);
  pages.dataset.next = String(next);
}

function link(chosen, before, label) {
  const target = new URLSearchParams(chosen);
  target.delete("before");
  if (before) target.set("before", before);
  return h("a", { href: `/experiments?${target}` }, label);
}

function row(experiment) {
  const state = badge(experiment.state);
  const progress = progressBar();
  const why = h("span", { class: "why" });
  const created = time(experiment.created_at);
  const updated = time(experiment.updated_at);
  const tags = experiment.tags.map((tag) => h("a", { class: "tag", href: `/experiments?tag=${encodeURIComponent(tag)}` }, tag));
  const name = h("a", { class: "name", href: `/experiments/${experiment.id}` }, experiment.name);
  const element = h(
    "tr",
    {},
    h("td", { class: "state" }, state),
    h("td", { class: "what" }, name, h("code", {}, experiment.id), why),
    h("td", { class: "rounds" }, progress.element),
    h("td", { class: "tags" }, tags),
    h("td", { class: "when" }, created),
    h("td", { class: "when" }, updated),
  );
  const update = (latest) => {
    setBadge(state, latest.state);
    setText(why, latest.state === "FAILED" || latest.state === "INTERRUPTED" ? (latest.message ?? latest.reason ?? "") : "");
    progress.update(latest.progress);
    setTime(created, latest.created_at);
    setTime(updated, latest.updated_at);
  };
  return { element, update };
}
