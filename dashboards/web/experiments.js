// The list of experiments, kept up to date. The address holds what is shown: filters, order and page are plain links and a plain
// form. What lists do not have, curves and the costs of ended experiments, is fetched once for those in sight.
import { poll, request } from "/assets/http.js";
import { Extras } from "/assets/extras.js";
import { Selection } from "/assets/selection.js";
import { sparkline } from "/assets/spark.js";
import { badge, bytes, h, LIVE, percent, progressBar, Rows, setBadge, setText, setTime, time } from "/assets/view.js";
import { views } from "/assets/views.js";

const STATES = [...LIVE, "SUCCEEDED", "FAILED", "CANCELLED"];
const ORDERS = {
  "-created": "newest first",
  created: "oldest first",
  "-updated": "last changed",
  name: "name",
  state: "state",
  "-validation_accuracy": "best validation accuracy",
  "-test_accuracy": "best test accuracy",
};
const ARCHIVES = { false: "left out", true: "alone", any: "too" };
// Headings that sort: by which key, and in which direction at first.
const COLUMNS = [
  ["State", "state"],
  ["Experiment", "name"],
  ["Rounds"],
  ["Validation", "-validation_accuracy"],
  ["Test", "-test_accuracy"],
  ["Curve"],
  ["Bytes"],
  ["Memory"],
  ["Submitted", "-created"],
  ["Updated", "-updated"],
];
const PAGE = 50;
const EVERY_MS = 2000;

export async function show(main) {
  document.title = "Experiments · heron-ray";
  const chosen = new URLSearchParams(location.search);
  for (const [name, value] of [...chosen]) if (value === "") chosen.delete(name);
  let look = null;
  const selection = new Selection(() => look());
  const extras = new Extras();
  const body = h("tbody");
  const rows = new Rows(body, (experiment) => experiment.id, (experiment) => row(experiment, selection, extras));
  const table = h("table", { class: "list" }, h("thead", {}, heading(chosen, selection)), body);
  const empty = h("section", { class: "note", hidden: true });
  const pages = h("nav", { class: "pages", "aria-label": "Older and newer" });
  const title = h("div", { class: "title" }, h("h1", {}, "Experiments"), views(chosen.toString()), h("a", { class: "button", href: "/submit" }, "New experiment"));
  let drawn = false;
  look = async () => {
    const page = await request("GET", `/v1/experiments?${query(chosen)}`);
    rows.update(page.experiments);
    table.hidden = page.experiments.length === 0;
    if (empty.hidden && table.hidden) empty.replaceChildren(...emptyText(chosen, page.next));
    empty.hidden = !table.hidden;
    updatePages(pages, chosen, page.next);
    if (!drawn) main.replaceChildren(title, filters(chosen), selection.bar, selection.told, h("div", { class: "scroll-x" }, table), empty, pages);
    drawn = true;
    if (await extras.fetch(page.experiments)) rows.update(page.experiments);
  };
  try {
    await poll(look, EVERY_MS);
  } catch (error) {
    // What was asked for cannot be asked: the form stays, to put it right.
    if (error.problem?.status !== 422) throw error;
    main.replaceChildren(title, filters(chosen), h("section", { class: "note bad", role: "alert" }, h("p", {}, error.message), h("p", {}, h("a", { href: "/experiments" }, "Show all experiments"))));
  }
}

function query(chosen) {
  const asked = new URLSearchParams({ limit: PAGE });
  for (const name of ["tag", "name", "before", "sort", "archived"]) if (chosen.get(name)) asked.set(name, chosen.get(name));
  const state = chosen.get("state");
  for (const one of state === "live" ? LIVE : state ? [state] : []) asked.append("state", one);
  for (const condition of (chosen.get("where") ?? "").split(";")) if (condition.trim()) asked.append("where", condition.trim());
  return asked;
}

function filters(chosen) {
  const submit = (event) => event.target.form.requestSubmit();
  const select = (name, standard, options) =>
    h(
      "select",
      { name, onchange: submit },
      options.map(([value, label]) => h("option", { value: value === standard ? "" : value, selected: value === (chosen.get(name) ?? standard) }, label)),
    );
  const field = (name, size, placeholder) => h("input", { name, type: "search", size, placeholder, maxlength: 500, value: chosen.get(name) ?? "" });
  const states = [["", "any"], ["live", "not ended"], ...STATES.map((state) => [state, state.toLowerCase()])];
  return h(
    "form",
    { class: "filters", role: "search", onsubmit: go },
    h("label", {}, "State ", select("state", "", states)),
    h("label", {}, "Tag ", field("tag", 8, "any")),
    h("label", {}, "Name ", field("name", 8, "any")),
    h("label", { class: "where" }, "Spec ", field("where", 26, "method.kind=heron; clients.count>=10")),
    h("label", {}, "Order ", select("sort", "-created", Object.entries(ORDERS))),
    h("label", {}, "Archive ", select("archived", "false", Object.entries(ARCHIVES))),
    h("button", {}, "Filter"),
  );
}

// As the form would, but without the fields that were left empty.
function go(event) {
  event.preventDefault();
  const target = new URLSearchParams([...new FormData(event.target)].filter(([, value]) => value !== ""));
  location.assign(`/experiments${target.size > 0 ? `?${target}` : ""}`);
}

function heading(chosen, selection) {
  const current = chosen.get("sort") ?? "-created";
  const cells = COLUMNS.map(([label, sort]) => {
    if (!sort) return h("th", { scope: "col" }, label);
    const key = sort.replace("-", "");
    const isCurrent = current.replace("-", "") === key;
    const next = !isCurrent ? sort : current.startsWith("-") ? key : `-${key}`;
    const target = new URLSearchParams(chosen);
    target.delete("before");
    target.set("sort", next);
    const direction = current.startsWith("-") ? "descending" : "ascending";
    const arrow = isCurrent ? h("span", { "aria-hidden": "true" }, direction === "descending" ? " ↓" : " ↑") : null;
    return h("th", { scope: "col", "aria-sort": isCurrent ? direction : null }, h("a", { href: `/experiments?${target}` }, label, arrow));
  });
  return h("tr", {}, h("td", { class: "pick" }, selection.all), cells);
}

function emptyText(chosen, next) {
  if ([...chosen.keys()].some((name) => name !== "sort")) {
    const older = next ? "None among those that were looked at; older ones follow." : "No experiment matches.";
    return [h("p", {}, older), h("p", {}, h("a", { href: "/experiments" }, "Show all experiments"))];
  }
  return [
    h("h2", {}, "No experiments yet"),
    h("p", {}, h("a", { href: "/submit" }, "Submit one"), ", or from a shell:"),
    h("pre", {}, "heron submit experiments/digits-heron.yaml"),
  ];
}

function updatePages(pages, chosen, next) {
  const links = [];
  if (chosen.get("before")) links.push(link(chosen, null, "← First page"));
  if (next) links.push(link(chosen, next, "Next page →"));
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

function row(experiment, selection, extras) {
  const state = badge(experiment.state);
  const progress = progressBar();
  const why = h("span", { class: "why" });
  const [validation, test, sent, memory] = ["validation", "test", "sent", "memory"].map((name) => h("td", { class: `number ${name}` }));
  const spark = sparkline();
  const created = time(experiment.created_at);
  const updated = time(experiment.updated_at);
  const tags = experiment.tags.map((tag) => h("a", { class: "tag", href: `/experiments?tag=${encodeURIComponent(tag)}` }, tag));
  const name = h("a", { class: "name", href: `/experiments/${experiment.id}` }, experiment.name);
  const element = h(
    "tr",
    {},
    h("td", { class: "pick" }, selection.box(experiment)),
    h("td", { class: "state" }, state),
    h("td", { class: "what" }, name, h("code", {}, experiment.id), h("span", { class: "tags" }, tags), why),
    h("td", { class: "rounds" }, progress.element),
    validation,
    test,
    h("td", { class: "curve" }, spark.element),
    sent,
    memory,
    h("td", { class: "when" }, created),
    h("td", { class: "when" }, updated),
  );
  const update = (latest) => {
    const { curves, costs } = extras.of(latest.id);
    const told = { FAILED: latest.message ?? latest.reason, INTERRUPTED: latest.message ?? latest.reason, QUEUED: latest.waiting }[latest.state];
    setBadge(state, latest.state);
    setText(why, told ?? "");
    why.classList.toggle("quiet", latest.state === "QUEUED");
    progress.update(latest.progress);
    setText(validation, percent(latest.validation_accuracy ?? curves.validation_accuracy?.values.at(-1)));
    setText(test, percent(latest.test_accuracy ?? curves.test_accuracy?.values.at(-1)));
    spark.update(curves.validation_accuracy ?? curves.test_accuracy);
    setText(sent, bytes(costs && costs.bytes_up + costs.bytes_down));
    setText(memory, bytes(costs?.client_peak_bytes));
    setTime(created, latest.created_at);
    setTime(updated, latest.updated_at);
  };
  return { element, update };
}
