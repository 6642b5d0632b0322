// What experiments run on: every dispatcher with its slots and the nodes of its Ray cluster, and what waits for a slot.
import { poll, request } from "/assets/http.js";
import { bytes, count, h, Rows, setText, setTime, tableHead, time } from "/assets/view.js";

const EVERY_MS = 2000;
const NODES = ["Node", "Address", "Is", "CPUs", "GPUs", "Memory", "Experiments"];

export async function show(main) {
  document.title = "Cluster · heron-ray";
  const dispatchers = h("div");
  const cards = new Rows(dispatchers, (one) => one.owner, card);
  const none = h("section", { class: "note", hidden: true }, h("h2", {}, "No dispatcher has reported yet"), h("p", {}, "Queued experiments wait until one does. heron serve starts one, once Ray is up."));
  const queue = queued();
  let drawn = false;
  await poll(async () => {
    const cluster = await request("GET", "/v1/cluster");
    cards.update(cluster.dispatchers);
    none.hidden = cluster.dispatchers.length > 0;
    queue.update(cluster.queue);
    if (!drawn) main.replaceChildren(h("div", { class: "title" }, h("h1", {}, "Cluster")), none, dispatchers, queue.element);
    drawn = true;
  }, EVERY_MS);
}

function card(first) {
  const seen = time(first.seen_at);
  const silent = h("p", { class: "why failed", role: "status", hidden: true }, "It has fallen silent: it is gone, or does not reach Ray. This is what it said last.");
  const tiles = ["Slots taken", "CPUs let in with", "GPUs let in with", "Memory let in with"].map((name) => ({ name, value: h("dd") }));
  const rows = new Rows(h("tbody"), (node) => node.id, nodeRow);
  const label = `Nodes of ${first.owner}`;
  const element = h(
    "section",
    { class: "card wide" },
    h("h2", {}, "Dispatcher ", h("code", {}, first.owner), h("span", { class: "aside" }, "heard of ", seen)),
    silent,
    h("dl", { class: "tiles four" }, tiles.map(({ name, value }) => h("div", {}, h("dt", {}, name), value))),
    h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": label }, h("table", { class: "nodes" }, tableHead(NODES), rows.body)),
  );
  const update = (latest) => {
    const { admitted, has, running } = latest;
    const shares = [[running.length, latest.slots], [admitted.cpus, has.cpus], [admitted.gpus, has.gpus]].map((pair) => pair.map(count));
    shares.push([admitted.memory_bytes, has.memory_bytes].map(bytes));
    shares.forEach((pair, place) => setText(tiles[place].value, pair.join(" / ")));
    setTime(seen, latest.seen_at);
    silent.hidden = !latest.is_silent;
    rows.update(latest.nodes.map((node) => ({ ...node, running: running.filter((one) => one.node === node.id) })));
  };
  return { element, update };
}

function nodeRow({ id, name, address }) {
  const is = h("td");
  const [cpus, gpus, memory] = [0, 1, 2].map(() => h("td", { class: "number" }));
  const experiments = h("td");
  const links = new Rows(experiments, (one) => one.id, (one) => ({ element: h("div", {}, h("a", { href: `/experiments/${one.id}` }, one.name)), update: () => {} }));
  const element = h("tr", {}, h("td", { title: id }, name), h("td", {}, address), is, cpus, gpus, memory, experiments);
  const update = (latest) => {
    setText(is, latest.is_alive ? (latest.is_head ? "head" : "worker") : "has left");
    setText(cpus, count(latest.has.cpus));
    setText(gpus, count(latest.has.gpus));
    setText(memory, bytes(latest.has.memory_bytes));
    links.update(latest.running);
  };
  return { element, update };
}

function queued() {
  const length = h("strong");
  const rows = new Rows(h("tbody"), (one) => one.id, queueRow);
  const table = h("table", { class: "queue" }, tableHead(["Experiment", "Submitted", "Why it waits"]), rows.body);
  const all = h("a", { class: "aside", href: "/experiments?state=QUEUED", hidden: true }, "All of them");
  const element = h("section", { class: "card wide" }, h("h2", {}, "Queue: ", length, all), h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Queue" }, table));
  const update = (latest) => {
    setText(length, latest.length === 0 ? "empty" : count(latest.length));
    table.hidden = latest.length === 0;
    all.hidden = latest.first.length === latest.length;
    rows.update(latest.first);
  };
  return { element, update };
}

function queueRow(first) {
  const created = time(first.created_at);
  const why = h("td", { class: "why" });
  const element = h("tr", {}, h("td", {}, h("a", { class: "name", href: `/experiments/${first.id}` }, first.name)), h("td", { class: "when" }, created), why);
  const update = (latest) => {
    setTime(created, latest.created_at);
    setText(why, latest.waiting ?? "–");
  };
  return { element, update };
}
