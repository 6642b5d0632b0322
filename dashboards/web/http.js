// Talking to the REST API: JSON in and out, problems as errors, and one place that says whether the service answers.

export class ApiError extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

const banner = document.getElementById("connection");

export function connected(yes, words = "Not connected to the service. Trying again …") {
  banner.textContent = yes ? "" : words;
  banner.classList.toggle("shown", !yes);
}

// For what fails after a page is drawn: main.js shows it in the page's place.
export function failed(error) {
  document.dispatchEvent(new CustomEvent("pagefailure", { detail: error }));
}

// `body`, where there is one, goes as JSON.
export async function request(method, path, body, headers = {}) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  let response;
  try {
    response = await fetch(path, { method, ...sent, headers: { Accept: "application/json", ...sent.headers, ...headers } });
  } catch (error) {
    connected(false);
    throw new ApiError({ status: 0, code: "unreachable", detail: "The service does not answer.", cause: error });
  }
  connected(true);
  const text = await response.text();
  if (response.ok) return text ? JSON.parse(text) : null;
  throw new ApiError(problemIn(response, text));
}

function problemIn(response, text) {
  try {
    return { status: response.status, ...JSON.parse(text) };
  } catch {
    return { status: response.status, code: "unexpected", detail: `The service answered ${response.status} ${response.statusText}.` };
  }
}

// Calls `look` now and again every `everyMs` (or what it returns) while the tab is in sight, until `look` returns false. Where the
// service does not answer, is too busy or has a fault, it is asked again; any other failure is thrown the first time and ends the
// page later.
export async function poll(look, everyMs) {
  const attempt = async () => {
    try {
      return await look();
    } catch (error) {
      if (passes(error)) return true;
      failed(error);
      return false;
    }
  };
  let going = await look();
  (async () => {
    while (going !== false) {
      await new Promise((resolve) => setTimeout(resolve, typeof everyMs === "function" ? everyMs() : everyMs));
      await inSight();
      going = await attempt();
    }
  })();
}

// The same function, but calls of it that overlap run one after another: the answer to what was asked first is never drawn last.
export function inTurn(work) {
  let last = Promise.resolve();
  return (...given) => {
    const mine = last.then(() => work(...given));
    last = mine.catch(() => {}); // the caller hears of it; the next call does not
    return mine;
  };
}

// Whether it is worth asking again: the service does not answer, is too busy or has a fault.
export function passes(error) {
  const status = error.problem?.status;
  if (status === 429 || status >= 500) connected(false, "The service has trouble. Trying again …");
  return status === 0 || status === 429 || status >= 500;
}

function inSight() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}
