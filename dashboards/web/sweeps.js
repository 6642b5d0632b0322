// The list of sweeps.
import { showListing } from "/assets/listing.js";
import { badge, h, setBadge, setTime, time } from "/assets/view.js";

export function show(main) {
  const submit = h("p", {}, "POST /v1/sweeps submits one; the API page shows how.");
  return showListing(main, { section: "sweeps", headings: ["State", "Sweep", "Space", "Submitted", "Updated"], row, submit });
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
