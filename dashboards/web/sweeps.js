// The list of sweeps, newest first, kept up to date.
import { poll, request } from "/assets/http.js";
import { badge, h, Rows, setBadge, setTime, time } from "/assets/view.js";

const PAGE = 50;
const EVERY_MS = 2000;

export async function show(main) {
  document.title = "Sweeps · heron-ray";
  const before = new URLSearchParams(location.search).get("before");
  const asked = new URLSearchParams({ limit: PAGE, ...(before ? { before } : {}) });
  const body = h("tbody");
  const rows = new Rows(body, (sweep) => sweep.id, row);
  const head = h("thead", {}, h("tr", {}, ["State", "Sweep", "Space", "Submitted", "Updated"].map((name) => h("th", { scope: "col" }, name))));
  const table = h("table", { class: "list sweeps" }, head, body);
  const empty = h(
    "section",
    { class: "note", hidden: true },
    h("h2", {}, before ? "No older sweeps" : "No sweeps yet"),
    h("p", {}, before ? h("a", { href: "/sweeps" }, "Show the newest") : "POST /v1/sweeps submits one; the API page shows how."),
  );
  const pages = h("nav", { class: "pages", "aria-label": "Older and newer" });
  let drawn = false;
  await poll(async () => {
    const page = await request("GET", `/v1/sweeps?${asked}`);
    rows.update(page.sweeps);
    table.hidden = page.sweeps.length === 0;
    empty.hidden = page.sweeps.length > 0;
    if (!drawn) {
      if (before) pages.append(h("a", { href: "/sweeps" }, "← Newest"));
      if (page.next) pages.append(h("a", { href: `/sweeps?before=${page.next}` }, "Older →"));
      main.replaceChildren(h("div", { class: "title" }, h("h1", {}, "Sweeps")), table, empty, pages);
    }
    drawn = true;
  }, EVERY_MS);
}

function row(sweep) {
  const state = badge(sweep.state);
  const created = time(sweep.created_at);
  const updated = time(sweep.updated_at);
  const element = h(
    "tr",
    {},
    h("td", { class: "state" }, state),
    h("td", { class: "what" }, h("a", { class: "name", href: `/sweeps/${sweep.id}` }, sweep.name), h("code", {}, sweep.id)),
    h("td", { class: "tags" }, sweep.space),
    h("td", { class: "when" }, created),
    h("td", { class: "when" }, updated),
  );
  const update = (latest) => {
    setBadge(state, latest.state);
    setTime(created, latest.created_at);
    setTime(updated, latest.updated_at);
  };
  return { element, update };
}
