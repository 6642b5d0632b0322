// An experiment's events, live, over one EventSource. A tab out of sight closes it: browsers allow six connections per host,
// and a forgotten tab shall not use one up. Back in sight it goes on after the last event it has seen. Where streams do not come
// through, as with some proxies, it asks for pages that wait for news instead.
import { connected, failed, passes, request } from "/assets/http.js";

const KINDS = ["state", "started", "round_finished", "checkpoint_saved", "checkpoint_rejected", "client_losses", "spectrum", "diagnosis", "finished"];
const ENDS = new Set(["SUCCEEDED", "FAILED", "CANCELLED"]);
const BATCH_MS = 100;
const RETRY_MS = 3000;
// So many streams in a row fail, while pages come, before no more are tried.
const MISSES = 2;
const WAIT_S = 20;

export class Feed {
  #url;
  #take;
  #source = null;
  #last = 0;
  #misses = 0;
  #asking = false;
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
    if (this.#misses >= MISSES) {
      this.#ask();
      return;
    }
    const source = new EventSource(`${this.#url}?after=${this.#last}`);
    this.#source = source;
    source.addEventListener("open", () => {
      this.#misses = 0;
      connected(true);
    });
    source.addEventListener("error", () => this.#failed(source));
    for (const kind of KINDS) source.addEventListener(kind, (message) => this.#received(kind, Number(message.lastEventId), JSON.parse(message.data)));
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }

  #failed(source) {
    if (source !== this.#source) return;
    connected(false);
    this.#close();
    setTimeout(() => this.#comeBack(), RETRY_MS);
  }

  // A stream does not tell why it was refused; a page of events does.
  async #comeBack() {
    if ((await this.#page(0)) === null) return;
    this.#misses += 1;
    if (!document.hidden) this.#open();
  }

  // Page after page, each of which waits for news.
  async #ask() {
    if (this.#asking) return;
    this.#asking = true;
    while (!this.#over && !document.hidden && (await this.#page(WAIT_S)) !== null);
    this.#asking = false;
  }

  // Takes the next page of events, waiting for news so many seconds; null where there was none, and what is next is seen to.
  async #page(wait) {
    try {
      const page = await request("GET", `${this.#url}?after=${this.#last}&wait_s=${wait}`);
      if (this.#over) return null; // it was stopped meanwhile
      for (const { id, kind, data } of page.events) this.#received(kind, id, data);
      if (page.ended) this.#over = true;
      return page;
    } catch (error) {
      if (passes(error)) {
        setTimeout(() => this.#comeBack(), RETRY_MS);
      } else {
        this.#over = true;
        failed(error);
      }
      return null;
    }
  }

  #received(kind, id, data) {
    if (id <= this.#last) return;
    this.#last = id;
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
