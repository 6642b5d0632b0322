// A curve of a few pixels for a line of a list: shares from 0 to 1, a gap where a value is missing.
import { percent } from "/assets/view.js";

const WIDTH = 92;
const HEIGHT = 24;
const SVG = "http://www.w3.org/2000/svg";

export function sparkline() {
  const element = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [name, value] of Object.entries({ class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": "no curve yet" })) {
    element.setAttribute(name, value);
  }
  element.append(path);
  const update = (curve) => {
    if (!curve) return;
    path.setAttribute("d", line(curve));
    const known = curve.values.filter((value) => value !== null);
    if (known.length > 0) element.setAttribute("aria-label", `from ${percent(known[0])} to ${percent(known.at(-1))}`);
  };
  return { element, update };
}

function line({ rounds, values }) {
  const last = Math.max(rounds.at(-1) ?? 1, 1);
  let drawing = false;
  return values
    .map((value, index) => {
      if (value === null) {
        drawing = false;
        return "";
      }
      const x = 1 + ((WIDTH - 2) * rounds[index]) / last;
      const y = 1 + (HEIGHT - 2) * (1 - value);
      const step = `${drawing ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
      drawing = true;
      return step;
    })
    .join("");
}
