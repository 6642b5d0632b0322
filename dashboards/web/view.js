// Small pieces that every page is made of: elements, badges, numbers, times.

// h("a", {href: "/x", onclick: f}, "text", node, null) makes an element; text is never read as HTML.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const LIVE = new Set(["QUEUED", "STARTING", "RUNNING", "CANCELLING", "INTERRUPTED"]);

export function badge(state) {
  const element = h("span", { class: "badge" });
  setBadge(element, state);
  return element;
}

export function setBadge(element, state) {
  element.dataset.state = state;
  setText(element, state.toLowerCase());
}

export function progressBar(label = "rounds finished") {
  const fill = h("span");
  const bar = h("span", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-label": label }, fill);
  const text = h("span", { class: "number" });
  const element = h("span", { class: "progress" }, bar, text);
  const update = ({ round, rounds }) => {
    fill.style.width = `${(100 * round) / Math.max(rounds, 1)}%`;
    bar.setAttribute("aria-valuemax", rounds);
    bar.setAttribute("aria-valuenow", round);
    setText(text, `${round} / ${rounds}`);
  };
  return { element, update };
}

// A button that does something and says where that was refused.
export function act(problem, doIt) {
  return async () => {
    problem.hidden = true;
    try {
      await doIt();
    } catch (error) {
      if (!error.problem) throw error;
      setText(problem, error.message);
      problem.hidden = false;
    }
  };
}

export function percent(value) {
  return value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`;
}

export function count(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en");
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), units.length - 1);
  return `${(value / 1024 ** power).toFixed(power && value / 1024 ** power < 100 ? 1 : 0)} ${units[power]}`;
}

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 60) return `${value.toFixed(1)} s`;
  const minutes = Math.floor(value / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(value % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function time(iso) {
  const element = h("time");
  setTime(element, iso);
  return element;
}

export function setTime(element, iso) {
  element.dateTime = iso;
  element.title = new Date(iso).toLocaleString();
  setText(element, ago(iso));
}

function ago(iso) {
  const passed = Math.max(0, (Date.now() - new Date(iso)) / 1000);
  if (passed < 10) return "just now";
  if (passed < 60) return `${Math.floor(passed / 10) * 10} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return new Date(iso).toLocaleDateString();
}

export function failure(error, back) {
  const { detail = "This page could not be drawn.", hint = null, status = null } = error.problem ?? {};
  const heading = { 0: "The service does not answer", 404: "Not found" }[status] ?? "Something went wrong";
  const more = { 0: "This page comes back by itself once the service does.", 404: "It was deleted, or never was." }[status];
  return h(
    "section",
    { class: "note bad", role: "alert" },
    h("h1", {}, heading),
    h("p", {}, detail, more ? ` ${more}` : ""),
    h("p", {}, h("a", { href: back }, "Back to the list"), " · ", h("a", { href: location.href }, "Try again")),
    hint && h("p", { class: "quiet" }, hint),
  );
}

// Sets what the address says without leaving the page; null takes a name out.
export function keepInAddress(changed) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changed)) {
    if (value === null) query.delete(name);
    else query.set(name, value);
  }
  history.replaceState(null, "", `${location.pathname}${query.size > 0 ? `?${query}` : ""}`);
}

// The head of a table: a row with these names.
export function tableHead(names) {
  return h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name))));
}

// Keeps `body`'s rows in step with `items`: rows stay the same elements, so that focus and scrolling survive an update.
export class Rows {
  #rows = new Map();

  // `make(item)` gives {element, update}.
  constructor(body, key, make) {
    Object.assign(this, { body, key, make });
  }

  update(items) {
    const gone = new Set(this.#rows.keys());
    items.forEach((item, position) => {
      const key = this.key(item);
      gone.delete(key);
      if (!this.#rows.has(key)) this.#rows.set(key, this.make(item));
      const row = this.#rows.get(key);
      row.update(item);
      if (this.body.children[position] !== row.element) this.body.insertBefore(row.element, this.body.children[position] ?? null);
    });
    for (const key of gone) {
      this.#rows.get(key).element.remove();
      this.#rows.delete(key);
    }
  }
}

// Asks before something is done that cannot be undone; resolves to whether to do it.
export function confirmed(question, action) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { "aria-label": question },
      h("p", {}, question),
      h(
        "form",
        { method: "dialog", class: "actions" },
        h("button", { value: "no" }, "Go back"),
        h("button", { value: "yes", class: "danger" }, action),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// Asks for a word or two; resolves to what was typed, or to null.
export function asked(question, action) {
  return new Promise((resolve) => {
    const input = h("input", { type: "text", required: true, maxlength: 60, "aria-label": question });
    const dialog = h(
      "dialog",
      { "aria-label": question },
      h("p", {}, question),
      h(
        "form",
        { method: "dialog" },
        input,
        h("div", { class: "actions" }, h("button", { type: "button", onclick: () => dialog.close("no") }, "Go back"), h("button", { value: "yes" }, action)),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? input.value : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
