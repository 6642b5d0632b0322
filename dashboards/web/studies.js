// The list of studies. How far one is stands on its own page: the service reads every cell to tell.
import { showListing } from "/assets/listing.js";
import { count, h, setTime, time } from "/assets/view.js";

export function show(main) {
  const submit = [h("p", {}, "From a shell:"), h("pre", {}, "heron study submit experiments/studies/byzantine.yaml")];
  return showListing(main, { section: "studies", headings: ["Study", "Cells", "Experiments", "Submitted"], row, submit });
}

function row(study) {
  const created = time(study.created_at);
  const element = h(
    "tr",
    {},
    h("td", { class: "what" }, h("a", { class: "name", href: `/studies/${study.id}` }, study.name), h("code", {}, study.id)),
    h("td", { class: "number cells" }, count(study.cells)),
    h("td", { class: "number runs" }, count(study.experiments)),
    h("td", { class: "when" }, created),
  );
  return { element, update: (latest) => setTime(created, latest.created_at) };
}
