// A new experiment: a form made from the schema and its YAML, kept in step, judged by the service as one types. The draft is in
// the address, so a reload or a link brings it back.
import { SchemaForm } from "/assets/form.js";
import { request } from "/assets/http.js";
import { count, h, LIVE, setText } from "/assets/view.js";
import { toYaml } from "/assets/yaml.js";

const PAUSE_MS = 250;
const FIRST = "digits-heron.yaml";

export async function show(main) {
  document.title = "New experiment · heron-ray";
  const chosen = new URLSearchParams(location.search);
  const from = chosen.get("from");
  const [schema, { specs }, parent] = await Promise.all([
    request("GET", "/v1/specs/schema"),
    request("GET", "/v1/specs/ready"),
    from ? parentOf(from) : null,
  ]);
  const path = chosen.get("spec") ?? FIRST;
  const ready = parent ? null : specs.find((one) => one.path === path);
  const start = drafted() ?? { spec: parent?.spec ?? ready?.spec ?? {}, tags: parent?.tags ?? [] };
  new Page(schema, start, parent).draw(main, starts(specs, parent, path), ready?.description ?? "");
}

async function parentOf(id) {
  const path = `/v1/experiments/${encodeURIComponent(id)}`;
  const [detail, { artifacts }] = await Promise.all([request("GET", path), request("GET", `${path}/artifacts`)]);
  const checkpoint = LIVE.has(detail.state) ? null : artifacts.find((one) => one.kind === "checkpoint");
  return { ...detail, checkpoint };
}

function drafted() {
  if (location.hash.length < 2) return null;
  try {
    const { spec, tags } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    return { spec: { ...spec }, tags: tags.map(String) };
  } catch {
    return null; // a link that was cut short; the page then starts as without one
  }
}

function starts(specs, parent, path) {
  const go = (event) => location.assign(event.target.value ? `/submit?spec=${encodeURIComponent(event.target.value)}` : "/submit?spec=");
  const known = !parent && specs.some((one) => one.path === path);
  return h(
    "label",
    {},
    "Start from ",
    h(
      "select",
      { onchange: go },
      parent ? h("option", { value: "", selected: true }, `experiment ${parent.name}`) : null,
      h("option", { value: "", selected: !parent && !known }, "nothing"),
      specs.map((one) => h("option", { value: one.path, selected: known && one.path === path }, one.path.replace(".yaml", ""))),
    ),
  );
}

class Page {
  #latest = 0;
  #waiting = null;
  #unjudged = null;

  constructor(schema, start, parent) {
    Object.assign(this, { spec: start.spec, parent, key: crypto.randomUUID() });
    this.form = new SchemaForm(schema, (spec) => this.#edited(spec));
    this.schema = schema;
    this.yaml = h("textarea", { class: "yaml", spellcheck: "false", "aria-label": "Spec as YAML", "aria-describedby": "verdict faults" });
    this.yaml.addEventListener("input", () => this.#soon({ text: this.yaml.value }));
    this.tags = h("input", { type: "text", id: "tags", value: start.tags.join(", "), placeholder: "none", oninput: () => this.#keep() });
    this.verdict = h("p", { id: "verdict", role: "status" });
    this.faults = h("ul", { id: "faults", class: "faults" });
    this.button = h("button", { type: "submit", class: "primary" }, "Submit");
    this.forking = h("input", { type: "radio", name: "how", value: "fork" });
  }

  draw(main, starting, description) {
    const body = h(
      "form",
      {
        class: "submit",
        onsubmit: (event) => this.#submit(event),
        // Enter in a field of many would be taken for the button.
        onkeydown: (event) => event.key === "Enter" && event.target.matches("input") && event.preventDefault(),
      },
      h("div", { class: "title" }, h("h1", {}, "New experiment"), h("div", { class: "filters" }, starting)),
      h("p", { class: "under" }, this.parent ? ["With changes, from ", h("a", { href: `/experiments/${this.parent.id}` }, this.parent.name), "."] : description),
      this.#ways(),
      h(
        "div",
        { class: "draft" },
        this.form.element,
        h(
          "section",
          { class: "card beside", "aria-label": "YAML and verdict" },
          h("h2", {}, "YAML"),
          this.yaml,
          h("div", { class: "field" }, h("label", { for: "tags" }, "Tags"), this.tags),
          this.verdict,
          this.faults,
          h("div", { class: "actions" }, this.button),
        ),
      ),
    );
    this.form.show(this.spec);
    this.yaml.value = toYaml(this.spec);
    main.replaceChildren(body);
    this.#judge({ spec: this.spec });
  }

  #ways() {
    if (!this.parent?.checkpoint) return null;
    const anew = h("input", { type: "radio", name: "how", value: "new", checked: true });
    const round = count(this.parent.checkpoint.round);
    return h(
      "fieldset",
      { class: "ways" },
      h("legend", {}, "Begin"),
      h("label", {}, anew, " at round 0, as a new experiment"),
      h("label", {}, this.forking, ` after round ${round}, from the checkpoint that was kept (a fork)`),
    );
  }

  #edited(spec) {
    this.spec = spec;
    this.yaml.value = toYaml(spec);
    this.#soon({ spec });
  }

  #soon(draft) {
    clearTimeout(this.#waiting);
    this.#latest += 1; // what is on its way is about an older draft
    this.#unjudged = draft;
    this.#waiting = setTimeout(() => this.#judge(draft), PAUSE_MS);
  }

  // Whether it is valid and still the latest.
  async #judge(draft) {
    const mine = ++this.#latest;
    this.#unjudged = draft;
    let verdict;
    try {
      verdict = await request("POST", "/v1/specs/validate", draft);
    } catch (error) {
      if (!error.problem) throw error;
      verdict = { valid: false, issues: [{ path: "", message: error.message }], draft: null };
    }
    if (mine !== this.#latest) return false;
    this.#unjudged = null;
    if (draft.text !== undefined && verdict.draft) {
      this.spec = verdict.draft;
      this.form.show(this.spec);
    }
    this.#keep();
    this.#tell(verdict);
    return verdict.issues.length === 0;
  }

  #tell({ issues, hint }) {
    const loose = this.form.mark(issues);
    setText(this.verdict, issues.length === 0 ? "Valid." : issues.length === 1 ? "One fault." : `${issues.length} faults.`);
    this.verdict.className = issues.length === 0 ? "good" : "fault";
    const named = issues.filter((issue) => !loose.includes(issue));
    this.faults.replaceChildren(
      ...loose.map((issue) => h("li", {}, issue.path ? `${issue.path}: ${issue.message}` : issue.message)),
      ...named.map((issue) => h("li", {}, h("code", {}, issue.path), ` ${issue.message}`)),
      ...(hint ? [h("li", { class: "quiet" }, hint)] : []),
    );
  }

  #tagList() {
    return this.tags.value.split(",").map((tag) => tag.trim()).filter(Boolean);
  }

  #keep() {
    this.key = crypto.randomUUID();
    history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify({ spec: this.spec, tags: this.#tagList() }))}`);
  }

  async #submit(event) {
    event.preventDefault();
    this.button.disabled = true;
    try {
      clearTimeout(this.#waiting);
      if (this.#unjudged && !(await this.#judge(this.#unjudged))) return;
      // A seed has 63 bits, of which a number of JavaScript holds 53.
      if (Number.isInteger(this.spec.seed) && !Number.isSafeInteger(this.spec.seed)) {
        this.#tell({ issues: [{ path: "seed", message: "a page cannot hold so large a number exactly; heron submit can" }] });
        return;
      }
      const made = await this.#send();
      location.assign(`/experiments/${made.id}`);
    } catch (error) {
      if (!error.problem) throw error;
      const { issues, detail, hint } = error.problem;
      // What is sent has the spec at its root, but for the tags.
      this.#tell({ issues: issues ?? [{ path: "", message: detail }], hint });
    } finally {
      this.button.disabled = false;
    }
  }

  #send() {
    const headers = { "Idempotency-Key": this.key };
    const tags = this.#tagList();
    if (!this.forking.checked) return request("POST", "/v1/experiments", { spec: this.spec, tags }, headers);
    const path = `/v1/experiments/${this.parent.id}/fork`;
    return request("POST", path, { overrides: this.#overrides(), tags }, headers);
  }

  // Whole top-level fields that are not as the parent's; one that was emptied goes back to its default.
  #overrides() {
    const names = new Set([...Object.keys(this.parent.spec), ...Object.keys(this.spec)]);
    const wanted = (name) => this.spec[name] ?? this.schema.properties[name]?.default ?? null;
    const changed = [...names].filter((name) => JSON.stringify(wanted(name)) !== JSON.stringify(this.parent.spec[name]));
    return Object.fromEntries(changed.map((name) => [name, wanted(name)]));
  }
}
