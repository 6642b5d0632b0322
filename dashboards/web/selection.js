// What is done to many experiments at once: boxes in a list, and a bar of what can be done with those that are ticked.
import { request } from "/assets/http.js";
import { confirmed, h, setText } from "/assets/view.js";

// As many as the routes of comparing and of acting take.
const MOST_COMPARED = 50;
const ACTED_ON_AT_ONCE = 200;
const ACTIONS = {
  cancel: ["Cancel", "What they have measured stays."],
  retry: ["Retry", "Each is queued again as a new experiment."],
  archive: ["Archive", "They keep everything and leave the list."],
  unarchive: ["Unarchive", "They are back in the list."],
  delete: ["Delete", "Their curves and events are lost."],
};

export class Selection {
  #ids = new Map();
  #boxes = new Map();

  // `refresh()` is called after something was done.
  constructor(refresh) {
    this.refresh = refresh;
    this.count = h("strong", { role: "status" });
    this.compare = h("a", { class: "button" }, "Compare");
    const buttons = Object.entries(ACTIONS).map(([action, [label]]) =>
      h("button", { type: "button", class: action === "delete" || action === "cancel" ? "danger" : null, onclick: () => this.#act(action) }, label),
    );
    const clear = h("button", { type: "button", onclick: () => this.#clear() }, "Clear");
    this.bar = h("div", { class: "selection", role: "region", "aria-label": "Selected experiments", hidden: true }, this.count, this.compare, buttons, clear);
    this.told = h("section", { class: "note", "aria-live": "polite", hidden: true });
    this.all = h("input", { type: "checkbox", "aria-label": "Select all on this page", onchange: () => this.#tickAll(this.all.checked) });
  }

  box(experiment) {
    const box = h("input", { type: "checkbox", "aria-label": `Select ${experiment.name}`, checked: this.#ids.has(experiment.id) });
    box.addEventListener("change", () => {
      if (box.checked) this.#ids.set(experiment.id, experiment.name);
      else this.#ids.delete(experiment.id);
      this.#update();
    });
    this.#boxes.set(experiment.id, box);
    return box;
  }

  #tickAll(checked) {
    for (const box of this.#boxes.values()) {
      if (box.isConnected && box.checked !== checked) box.click();
    }
  }

  #clear() {
    for (const id of this.#ids.keys()) this.#boxes.get(id).checked = false;
    this.#ids.clear();
    this.all.checked = false;
    this.#update();
  }

  #update() {
    const number = this.#ids.size;
    this.bar.hidden = number === 0;
    setText(this.count, `${number} selected`);
    this.compare.hidden = number < 2 || number > MOST_COMPARED;
    this.compare.href = `/compare?ids=${[...this.#ids.keys()].join(",")}`;
  }

  async #act(action) {
    const [label, consequence] = ACTIONS[action];
    const ids = [...this.#ids.keys()];
    const many = ids.length === 1 ? "one experiment" : `${ids.length} experiments`;
    if (!(await confirmed(`${label} ${many}? ${consequence}`, `${label} ${many}`))) return;
    try {
      const outcomes = [];
      for (let start = 0; start < ids.length; start += ACTED_ON_AT_ONCE) {
        const part = await request("POST", "/v1/experiments/actions", { action, ids: ids.slice(start, start + ACTED_ON_AT_ONCE) });
        outcomes.push(...part.outcomes);
      }
      this.#tell(label, outcomes);
    } catch (error) {
      if (!error.problem) throw error;
      this.told.replaceChildren(h("p", {}, error.message));
      this.told.hidden = false;
      return;
    }
    this.#clear();
    await this.refresh();
  }

  // What was refused is said by name; what was done is seen in the list.
  #tell(label, outcomes) {
    const refused = outcomes.filter((outcome) => outcome.problem);
    const done = outcomes.length - refused.length;
    this.told.hidden = false;
    this.told.classList.toggle("bad", refused.length > 0);
    this.told.replaceChildren(
      h("p", {}, `${label}: ${done} done${refused.length > 0 ? `, ${refused.length} refused` : ""}.`),
      h("ul", {}, refused.map((outcome) => h("li", {}, `${this.#ids.get(outcome.id)}: ${outcome.problem.detail}`))),
      h("button", { type: "button", onclick: () => (this.told.hidden = true) }, "Dismiss"),
    );
  }
}
