// What happened to an experiment, newest first. Rounds are in the curves, so the log shows them only when asked to.
import { h, percent } from "/assets/view.js";

const KEPT = 300;
// What every run says; the rest, such as a diagnosis, is marked.
const USUAL = new Set(["state", "started", "round_finished", "client_losses", "spectrum", "checkpoint_saved", "finished"]);
const OF_ROUNDS = new Set(["round_finished", "client_losses", "spectrum"]);

export class EventLog {
  constructor() {
    this.list = h("ol", { class: "events" });
    const box = h("input", { type: "checkbox", onchange: () => this.list.classList.toggle("with-rounds", box.checked) });
    this.element = h(
      "div",
      {},
      h("label", { class: "option" }, box, " show rounds"),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Events" }, this.list),
    );
    this.counts = { round: 0, other: 0 };
  }

  add(events) {
    for (const event of events) {
      const kind = OF_ROUNDS.has(event.kind) ? "round" : "other";
      this.list.prepend(h("li", { class: USUAL.has(event.kind) ? kind : `${kind} notable` }, h("code", {}, `#${event.id}`), h("span", { class: "kind" }, event.kind.replaceAll("_", " ")), h("span", {}, words(event))));
      this.counts[kind] += 1;
      if (this.counts[kind] > KEPT) {
        const old = this.list.querySelectorAll(`.${kind}`);
        old[old.length - 1].remove();
        this.counts[kind] -= 1;
      }
    }
  }
}

function words({ kind, data }) {
  if (kind === "state") return [data.state.toLowerCase(), data.message ?? data.reason].filter(Boolean).join(": ");
  if (kind === "round_finished") {
    const accuracy = data.metrics.test_accuracy;
    return `${data.round} of ${data.rounds}${accuracy === undefined ? "" : `, test accuracy ${percent(accuracy)}`}`;
  }
  if (kind === "diagnosis") return `${data.name.replaceAll("_", " ")} (round ${data.round}): ${data.message}. ${data.advice}.`;
  if (kind === "client_losses") return `of ${data.clients.length} clients in round ${data.round}`;
  if (kind === "spectrum") return `of the Hessian after round ${data.round}`;
  if (kind === "started") return data.after_round ? `after round ${data.after_round}` : `${data.rounds} rounds ahead`;
  if (kind === "finished") return data.result?.rounds === undefined ? "" : `after ${data.result.rounds} rounds`;
  return Object.entries(data).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
}
