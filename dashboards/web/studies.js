// The list of studies.
import { showListing } from "/assets/listing.js";
import { ended, standing } from "/assets/standing.js";
import { badge, count, h, progressBar, setBadge, setTime, time } from "/assets/view.js";

export function show(main) {
  const submit = [h("p", {}, "From a shell:"), h("pre", {}, "heron study submit experiments/studies/byzantine.yaml")];
  return showListing(main, { section: "studies", headings: ["State", "Study", "Cells ended", "Experiments", "Submitted"], row, submit });
}

function row(study) {
  const state = badge(standing(study.states));
  const progress = progressBar("cells ended");
  const created = time(study.created_at);
  const element = h(
    "tr",
    {},
    h("td", { class: "state" }, state),
    h("td", { class: "what" }, h("a", { class: "name", href: `/studies/${study.id}` }, study.name), h("code", {}, study.id)),
    h("td", { class: "rounds" }, progress.element),
    h("td", { class: "number runs" }, count(study.experiments)),
    h("td", { class: "when" }, created),
  );
  const update = (latest) => {
    setBadge(state, standing(latest.states));
    progress.update(ended(latest));
    setTime(created, latest.created_at);
  };
  return { element, update };
}
