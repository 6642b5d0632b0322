// The one entry: finds which page the address asks for, draws it, and says so where that fails.
import { show as showExperiment } from "/assets/experiment.js";
import { show as showExperiments } from "/assets/experiments.js";
import { show as showSweep } from "/assets/sweep.js";
import { show as showSweeps } from "/assets/sweeps.js";
import { failure } from "/assets/view.js";

const PAGES = {
  experiments: [showExperiments, showExperiment],
  sweeps: [showSweeps, showSweep],
};

const [section, id] = location.pathname.split("/").filter(Boolean);
const [list, detail] = PAGES[section];
const main = document.getElementById("main");
document.querySelector(`nav a[href="/${section}"]`).setAttribute("aria-current", id ? "true" : "page");

try {
  await (id ? detail(main, decodeURIComponent(id)) : list(main));
} catch (error) {
  main.replaceChildren(failure(error, `/${section}`));
  if (!error.problem) throw error;
}
