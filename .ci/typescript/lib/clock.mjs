// Time that goes by as soon as nobody has anything else to do: what waits for a minute is tried in a moment, and what
// waits for nothing at all is found. Chance is the same in each run, so that a count of attempts is.

const real = { setTimeout, clearTimeout, setImmediate, now: Date.now, performance: performance.now, random: Math.random };
/** So many turns of the event loop are left to what is under way before time goes on. */
const TURNS = 4;
/** What has not happened in a day of the clock's time never will. */
const DAY_MS = 86_400_000;

export class Clock {
  #timers = new Map();
  #next = 1;
  now = 1_800_000_000_000;
  /** That of the process, which nobody puts back. */
  #passed = 0;
  /** By how much the next timer is late, as in a page that was frozen. */
  late = 0;
  #chance = 1;

  install() {
    globalThis.setTimeout = (call, ms = 0, ...given) => {
      const id = this.#next++;
      this.#timers.set(id, { at: this.#passed + Number(ms), call: () => call(...given) });
      return id;
    };
    globalThis.clearTimeout = (id) => this.#timers.delete(id);
    Date.now = () => this.now;
    performance.now = () => this.#passed;
    // The minimal standard generator of Park and Miller, 1988.
    Math.random = () => (this.#chance = (this.#chance * 48_271) % 0x7fff_ffff) / 0x7fff_ffff;
    return this;
  }

  uninstall() {
    Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout });
    Date.now = real.now;
    Math.random = real.random;
    delete performance.now;
  }

  get timers() {
    return this.#timers.size;
  }

  pass(ms) {
    this.#passed += ms;
    this.now += ms;
  }

  /** Lets time go by until it holds. */
  async until(holds) {
    const last = this.#passed + DAY_MS;
    for (;;) {
      for (let turn = 0; turn < TURNS; turn += 1) {
        await new Promise((next) => real.setImmediate(next));
        if (holds()) return;
      }
      const [id, timer] = [...this.#timers].sort(([, one], [, other]) => one.at - other.at)[0] ?? [];
      if (!timer) throw new Error("nothing is left that could happen");
      if (this.#passed > last) throw new Error("it has not happened in a day");
      this.#timers.delete(id);
      this.pass(Math.max(timer.at - this.#passed, 0) + this.late);
      this.late = 0;
      timer.call();
    }
  }

  /** What becomes of a promise; it has to end. */
  async end(promise) {
    let ended;
    promise.then((value) => (ended = { value }), (error) => (ended = { error }));
    await this.until(() => ended);
    if (ended.error) throw ended.error;
    return ended.value;
  }
}
