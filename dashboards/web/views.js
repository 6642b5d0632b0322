// Views of the list that were given a name: addresses, kept in this browser.
import { asked, h } from "/assets/view.js";

const KEY = "views";

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // a browser may forbid storage, or something else wrote there
  }
}

function write(views) {
  try {
    localStorage.setItem(KEY, JSON.stringify(views));
    return true;
  } catch {
    return false;
  }
}

export function views(query) {
  const box = h("div", { class: "views" });
  const draw = () => {
    const known = read();
    const current = Object.keys(known).find((name) => known[name] === query);
    const choose = h(
      "select",
      { onchange: (event) => location.assign(`/experiments${known[event.target.value] ? `?${known[event.target.value]}` : ""}`) },
      h("option", { value: "", selected: !current }, "unnamed"),
      Object.keys(known).map((name) => h("option", { value: name, selected: name === current }, name)),
    );
    const save = async () => {
      const name = (await asked("What shall this view be called?", "Save view"))?.trim();
      if (name && write({ ...read(), [name]: query })) draw();
    };
    const forget = () => {
      const { [current]: _, ...rest } = read();
      if (write(rest)) draw();
    };
    const button = current ? h("button", { type: "button", onclick: forget }, "Forget view") : h("button", { type: "button", onclick: save }, "Save view");
    box.replaceChildren(h("label", {}, "View ", choose), button);
  };
  draw();
  return box;
}
