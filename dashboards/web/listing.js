// A list of what was submitted as a whole, newest first, page by page, kept up to date: sweeps, studies.
import { poll, request } from "/assets/http.js";
import { h, Rows, tableHead } from "/assets/view.js";

const PAGE = 50;
const EVERY_MS = 2000;

// `section` is the page's path, that of the API and the field of its answer; `row(item)` gives {element, update}.
export async function showListing(main, { section, headings, row, submit }) {
  const title = section[0].toUpperCase() + section.slice(1);
  document.title = `${title} · heron-ray`;
  const before = new URLSearchParams(location.search).get("before");
  const asked = new URLSearchParams({ limit: PAGE, ...(before ? { before } : {}) });
  const body = h("tbody");
  const rows = new Rows(body, (item) => item.id, row);
  const table = h("table", { class: `list ${section}` }, tableHead(headings), body);
  const empty = h(
    "section",
    { class: "note", hidden: true },
    h("h2", {}, before ? `No older ${section}` : `No ${section} yet`),
    before ? h("p", {}, h("a", { href: `/${section}` }, "Show the newest")) : submit,
  );
  const pages = h("nav", { class: "pages", "aria-label": "Older and newer" });
  let drawn = false;
  await poll(async () => {
    const page = await request("GET", `/v1/${section}?${asked}`);
    rows.update(page[section]);
    table.hidden = page[section].length === 0;
    empty.hidden = !table.hidden;
    if (!drawn) {
      if (before) pages.append(h("a", { href: `/${section}` }, "← Newest"));
      if (page.next) pages.append(h("a", { href: `/${section}?before=${page.next}` }, "Older →"));
      main.replaceChildren(h("div", { class: "title" }, h("h1", {}, title)), table, empty, pages);
    }
    drawn = true;
  }, EVERY_MS);
}
