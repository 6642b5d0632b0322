// The one entry: finds which page the address asks for, draws it, and says so where that fails.
import { show as showCluster } from "/assets/cluster.js";
import { show as showCompare } from "/assets/compare.js";
import { show as showExperiment } from "/assets/experiment.js";
import { show as showExperiments } from "/assets/experiments.js";
import { offerSignOut, signIn } from "/assets/session.js";
import { show as showStudies } from "/assets/studies.js";
import { show as showStudy } from "/assets/study.js";
import { show as showSubmit } from "/assets/submit.js";
import { show as showSweep } from "/assets/sweep.js";
import { show as showSweeps } from "/assets/sweeps.js";
import { failure } from "/assets/view.js";

const PAGES = {
  cluster: [showCluster],
  compare: [showCompare],
  experiments: [showExperiments, showExperiment],
  studies: [showStudies, showStudy],
  submit: [showSubmit],
  sweeps: [showSweeps, showSweep],
};

const RETRY_MS = 3000;
const [section, id] = location.pathname.split("/").filter(Boolean);
const [list, detail] = PAGES[section];
const main = document.getElementById("main");
const current = document.querySelector(`nav a[href="/${section}"]`);
current.setAttribute("aria-current", id ? "true" : "page");
// On a phone the links are wider than the screen.
current.scrollIntoView({ block: "nearest", inline: "nearest" });
offerSignOut();
document.addEventListener("pagefailure", (event) => fail(event.detail));

// A page that found no service to ask comes back by itself once there is one.
function fail(error) {
  main.replaceChildren(error.problem?.status === 401 ? signIn(error) : failure(error, `/${section}`));
  if (!error.problem) throw error;
  if (error.problem.status === 0) setInterval(async () => (await fetch("/healthz").catch(() => null))?.ok && location.reload(), RETRY_MS);
}

try {
  await (id ? detail(main, decodeURIComponent(id)) : list(main));
} catch (error) {
  fail(error);
}
