// What lists of experiments leave out: small curves of those in sight, and the costs of those that have ended.
import { request } from "/assets/http.js";
import { LIVE } from "/assets/view.js";

const POINTS = 40;
const COSTS = ["bytes_up", "bytes_down", "client_peak_bytes"];

export class Extras {
  #curves = new Map();
  #costs = new Map();
  // By id, the state and the round of which the curves are known.
  #known = new Map();

  of(id) {
    return { curves: this.#curves.get(id) ?? {}, costs: this.#costs.get(id) ?? null };
  }

  // Asks for what has changed since the last time; says whether anything came.
  async fetch(experiments) {
    const standing = ({ state, progress }) => `${LIVE.has(state)} ${progress.round}`;
    const changed = experiments.filter((one) => this.#known.get(one.id) !== standing(one));
    if (changed.length === 0) return false;
    try {
      await Promise.all([this.#fetchCurves(changed), this.#fetchCosts(changed.filter((one) => !LIVE.has(one.state)))]);
    } catch (error) {
      // One may have been deleted since the list was read; the next list is without it.
      if (error.problem?.status !== 404) throw error;
      return false;
    }
    for (const one of changed) this.#known.set(one.id, standing(one));
    return true;
  }

  async #fetchCurves(experiments) {
    const measured = experiments.filter((one) => one.progress.round > 0);
    if (measured.length === 0) return;
    const asked = new URLSearchParams({ points: POINTS });
    for (const one of measured) asked.append("experiment", one.id);
    for (const name of ["test_accuracy", "validation_accuracy"]) asked.append("series", name);
    const found = await request("GET", `/v1/series:query?${asked}`);
    for (const { id, series } of found.experiments) this.#curves.set(id, series);
  }

  async #fetchCosts(experiments) {
    if (experiments.length === 0) return;
    // A comparison is of two at least; the same one twice counts as one.
    const ids = experiments.map((one) => one.id);
    const asked = new URLSearchParams((ids.length === 1 ? [ids[0], ids[0]] : ids).map((id) => ["id", id]));
    const { figures } = await request("GET", `/v1/experiments/compare?${asked}`);
    for (const id of ids) {
      const costs = Object.fromEntries(COSTS.map((name) => [name, figures[`costs.${name}`]?.[id]]));
      if (COSTS.every((name) => costs[name] !== undefined)) this.#costs.set(id, costs);
    }
  }
}
