// Talking to the REST API: JSON in and out, problems as errors, and one place that says whether the service answers.

export class ApiError extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

const banner = document.getElementById("connection");

export function connected(yes) {
  banner.textContent = yes ? "" : "Not connected to the service. Trying again …";
  banner.classList.toggle("shown", !yes);
}

export async function request(method, path) {
  let response;
  try {
    response = await fetch(path, { method, headers: { Accept: "application/json" } });
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

// Calls `look` now and again every `everyMs` while the tab is in sight, until it returns false. A look that fails because
// the service does not answer is tried again; any other failure is thrown, the first time to the caller.
export async function poll(look, everyMs) {
  const attempt = async () => {
    try {
      return await look();
    } catch (error) {
      if (error.problem?.status !== 0) throw error;
      return true;
    }
  };
  let going = await look();
  (async () => {
    while (going !== false) {
      await new Promise((resolve) => setTimeout(resolve, everyMs));
      await inSight();
      going = await attempt();
    }
  })();
}

function inSight() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}
