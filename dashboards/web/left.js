// What an experiment leaves behind: its files, the log of each attempt, and what its checkpoint knows of build and traffic.
import { request } from "/assets/http.js";
import { bytes, count, h, LIVE, tableHead } from "/assets/view.js";

const FOLLOW_MS = 2000;
const MOST_SHOWN = 400_000;

export function filesOf(path) {
  const body = h("tbody");
  const table = h("table", {}, tableHead(["File", "Size", "Round", "SHA-256"]), body);
  const none = h("p", { class: "quiet" }, "It leaves files behind when it ends.");
  const traffic = h("div");
  const facts = h("dl", { class: "facts" });
  let known = false;
  const update = async ({ state }) => {
    if (known || LIVE.has(state)) return;
    known = true;
    const { artifacts } = await request("GET", `${path}/artifacts`);
    none.textContent = artifacts.length === 0 ? "It left no files." : "";
    table.hidden = artifacts.length === 0;
    body.replaceChildren(...artifacts.map((file) => fileRow(path, file)));
    if (artifacts.some((file) => file.name === "checkpoint/manifest.json")) await explain();
  };
  const explain = async () => {
    try {
      const { manifest } = await request("GET", `${path}/artifacts/checkpoint/manifest.json`);
      facts.replaceChildren(...Object.entries(manifest.provenance).map(([name, value]) => h("div", {}, h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, value))));
      traffic.replaceChildren(trafficTable(manifest.progress.traffic, manifest.round));
    } catch (error) {
      if (!error.problem) throw error;
      traffic.replaceChildren(h("p", { class: "quiet" }, error.message));
    }
  };
  table.hidden = true;
  return { element: h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Files" }, none, table), traffic, facts, update };
}

function fileRow(path, file) {
  const link = h("a", { href: `${path}/artifacts/${file.name}`, download: file.name.replaceAll("/", "-") }, file.name);
  return h("tr", {}, h("td", {}, link), h("td", { class: "number" }, bytes(file.size_bytes)), h("td", { class: "number" }, file.round === null ? "–" : count(file.round)), h("td", {}, h("code", { title: file.sha256 }, file.sha256.slice(0, 12))));
}

function trafficTable({ up, down, messages }, round) {
  const kinds = [...new Set([...Object.keys(up), ...Object.keys(down)])].sort();
  return h(
    "table",
    {},
    h("caption", { class: "quiet" }, `Up to round ${count(round)}, in ${count(messages)} messages`),
    tableHead(["Kind", "Up", "Down"]),
    h("tbody", {}, kinds.map((kind) => h("tr", {}, h("td", {}, kind.replaceAll("_", " ")), h("td", { class: "number" }, bytes(up[kind])), h("td", { class: "number" }, bytes(down[kind]))))),
  );
}

// The log is fetched when it is opened, and followed while its attempt lives and it stays open.
export function logOf(path) {
  const text = h("pre", { class: "log", tabindex: 0, "aria-label": "Log" });
  const choose = h("select", { "aria-label": "Attempt", onchange: () => begin() });
  const told = h("p", { class: "quiet", role: "status" });
  const details = h("details", { class: "card wide", ontoggle: () => details.open && begin() }, h("summary", {}, h("strong", {}, "Log")), h("div", { class: "filters" }, h("label", {}, "Attempt ", choose)), told, text);
  let reading = 0;
  const begin = async () => {
    const mine = ++reading;
    text.textContent = "";
    told.textContent = "";
    let after = 0;
    while (mine === reading && details.open && choose.value) {
      try {
        const page = await request("GET", `${path}/logs?attempt=${choose.value}&after=${after}`);
        if (mine !== reading) return;
        after = page.next;
        text.textContent = (text.textContent + page.text).slice(-MOST_SHOWN);
        if (page.complete) {
          told.textContent = text.textContent ? "" : "This attempt logged nothing.";
          return;
        }
        if (page.text) continue;
      } catch (error) {
        if (!error.problem) throw error;
        told.textContent = error.message;
        if (error.problem.status !== 0) return;
      }
      await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
    }
  };
  const update = ({ attempts }) => {
    if (choose.options.length === attempts.length) return;
    choose.replaceChildren(...attempts.map(({ number }) => h("option", { value: number, selected: number === attempts.length }, String(number))));
    if (details.open) begin();
  };
  return { element: details, update };
}
