// The attempts at an experiment: when each ran, on one line of time, and how each ended.
import { h, seconds, tableHead, time } from "/assets/view.js";

// How an attempt ends that was not lost.
const ORDERLY = new Set(["succeeded", "cancelled"]);
const HEADS = ["#", "Node", "Started", "Took", "End"];

export class Attempts {
  #drawn = "";

  constructor() {
    this.line = h("div", { class: "timeline" });
    this.body = h("tbody");
    this.element = h("div", { class: "attempts", tabindex: 0, role: "region", "aria-label": "Attempts" }, this.line, h("table", {}, tableHead(HEADS), this.body));
  }

  update({ created_at, attempts }) {
    const signature = JSON.stringify(attempts);
    if (signature === this.#drawn) return;
    this.#drawn = signature;
    this.line.hidden = attempts.length === 0;
    this.line.replaceChildren(...bars(created_at, attempts));
    this.body.replaceChildren(...(attempts.length > 0 ? attempts.map(row) : [h("tr", {}, h("td", { colspan: HEADS.length, class: "quiet" }, "None begun yet."))]));
  }
}

function bars(created, attempts) {
  const begin = new Date(created).getTime();
  const ends = attempts.map((attempt) => (attempt.ended_at ? new Date(attempt.ended_at).getTime() : Date.now()));
  const span = Math.max(...ends) - begin || 1;
  return attempts.map((attempt, index) => {
    const start = new Date(attempt.started_at).getTime();
    const words = `attempt ${attempt.number}: after ${seconds((start - begin) / 1000)}, for ${seconds((ends[index] - start) / 1000)}, ${end(attempt)}`;
    const bar = h("span", { role: "img", title: words, "aria-label": words, class: attempt.ended_at ? (ORDERLY.has(attempt.exit_reason) ? "done" : "lost") : "live" });
    bar.style.left = `${(100 * (start - begin)) / span}%`;
    bar.style.width = `${(100 * (ends[index] - start)) / span}%`;
    return bar;
  });
}

function row(attempt) {
  return h(
    "tr",
    {},
    h("td", {}, String(attempt.number)),
    h("td", {}, attempt.node ?? "–"),
    h("td", {}, time(attempt.started_at)),
    h("td", {}, attempt.ended_at ? seconds((new Date(attempt.ended_at) - new Date(attempt.started_at)) / 1000) : "–"),
    h("td", {}, end(attempt)),
  );
}

function end(attempt) {
  return attempt.ended_at ? (attempt.exit_reason ?? "ended") : "under way";
}
