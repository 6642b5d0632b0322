// Where a study stands. The service keeps no state of one: it is what its cells are.
import { LIVE } from "/assets/view.js";

function live(states) {
  return Object.entries(states).reduce((sum, [state, cells]) => sum + (LIVE.has(state) ? cells : 0), 0);
}

// A run that diverged has come to its end.
export function standing(states) {
  const begun = Object.keys(states).filter((state) => state !== "IMPOSSIBLE" && state !== "DELETED");
  if (live(states) === 0) return ["FAILED", "CANCELLED", "SUCCEEDED"].find((state) => states[state]) ?? (states.DIVERGED ? "SUCCEEDED" : states.DELETED ? "DELETED" : "IMPOSSIBLE");
  if (begun.every((state) => state === "QUEUED")) return "QUEUED";
  return begun.filter((state) => LIVE.has(state)).every((state) => state === "CANCELLING") ? "CANCELLING" : "RUNNING";
}

// For a progress bar: cells that have ended, of those that are possible.
export function ended({ cells, states }) {
  const possible = cells - (states.IMPOSSIBLE ?? 0);
  return { round: possible - live(states), rounds: possible };
}
