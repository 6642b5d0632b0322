// An experiment's events, live, over one EventSource. A tab out of sight closes it: browsers allow six connections per host,
// and a forgotten tab shall not use one up. Back in sight it goes on after the last event it has seen.
import { connected, failed, passes, request } from "/assets/http.js";

const KINDS = ["state", "started", "round_finished", "checkpoint_saved", "checkpoint_rejected", "client_losses", "diagnosis", "finished"];
const ENDS = new Set(["SUCCEEDED", "FAILED", "CANCELLED"]);
const BATCH_MS = 100;
const RETRY_MS = 3000;

export class Feed {
  #url;
  #take;
  #source = null;
  #last = 0;
  #waiting = [];
  #busy = false;
  #draining = Promise.resolve();
  #over = false;

  // `take(events)` gets [{id, kind, data}], in order, in batches; it may be async, and is never called twice at once.
  constructor(url, take) {
    this.#url = url;
    this.#take = take;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#close() : this.#open()));
    if (!document.hidden) this.#open();
  }

  // Ends it for good; resolves once nothing that it asked for is under way.
  async stop() {
    this.#over = true;
    this.#close();
    this.#waiting = [];
    await this.#draining;
  }

  #open() {
    if (this.#source || this.#over) return;
    const source = new EventSource(`${this.#url}?after=${this.#last}`);
    this.#source = source;
    source.addEventListener("open", () => connected(true));
    source.addEventListener("error", () => this.#failed(source));
    for (const kind of KINDS) source.addEventListener(kind, (message) => this.#received(kind, message));
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }

  #failed(source) {
    if (source !== this.#source) return;
    connected(false);
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    this.#close();
    setTimeout(() => this.#comeBack(), RETRY_MS);
  }

  // A stream does not tell why it was refused; a page of events does.
  async #comeBack() {
    try {
      await request("GET", `${this.#url}?after=${this.#last}&limit=1`);
    } catch (error) {
      if ([401, 404].includes(error.problem?.status)) {
        this.#over = true;
        failed(error);
        return;
      }
      setTimeout(() => this.#comeBack(), RETRY_MS);
      return;
    }
    if (!document.hidden) this.#open();
  }

  #received(kind, message) {
    const id = Number(message.lastEventId);
    if (id <= this.#last) return;
    this.#last = id;
    const data = JSON.parse(message.data);
    this.#waiting.push({ id, kind, data });
    if (kind === "state" && ENDS.has(data.state)) {
      this.#over = true;
      this.#close();
    }
    if (!this.#busy) this.#draining = this.#drain();
  }

  async #drain() {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, BATCH_MS));
      try {
        await this.#take(this.#waiting.splice(0));
      } catch (error) {
        // What passes is asked for again with the next events; the experiment may also have been deleted since these were sent.
        if (!passes(error)) failed(error);
      }
    }
    this.#busy = false;
  }
}
