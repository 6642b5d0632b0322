// Signing in and out, where a service lets nobody in without an API key. The key lies in a cookie that no script can read.
import { request } from "/assets/http.js";
import { act, h } from "/assets/view.js";

const SESSION = "/v1/session";

// The page of a request that was refused for want of a valid key.
export function signIn(error) {
  const key = h("input", { type: "password", required: true, autocomplete: "current-password", maxlength: 200, "aria-label": "API key" });
  const problem = h("p", { class: "note bad", role: "alert", hidden: true });
  const send = act(problem, async () => {
    await request("POST", SESSION, { key: key.value.trim() });
    location.reload();
  });
  const submit = (event) => {
    event.preventDefault();
    send();
  };
  return h(
    "section",
    { class: "card signin", "aria-label": "Sign in" },
    h("h1", {}, "An API key is needed"),
    h("p", {}, `${sentence(error.problem.detail)} `, h("code", {}, "heron key create"), " makes one on the service's machine."),
    h("form", { class: "filters", onsubmit: submit }, h("label", {}, "API key ", key), h("button", {}, "Sign in")),
    problem,
  );
}

// The button in the head, for a browser that has signed in.
export function offerSignOut() {
  const button = document.getElementById("signout");
  button.hidden = !document.cookie.split("; ").includes("heron_signed_in=1");
  button.addEventListener("click", async () => {
    await request("DELETE", SESSION);
    location.assign("/experiments");
  });
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}
