// When a poll closes, for the countdown: feeds do not tell, the poll's own document does.

/** An extension is seen so soon. */
const ASK_MS = 3000;

export class Closing {
  constructor() {
    /** The newest closing time that is known, in RFC 3339. */
    this.at = "";
    this.poll = "";
    this.askedAt = -Infinity;
  }

  /**
   * Asks where the last answer is old. What can't be asked for stays as it was.
   * @param {string} base
   * @param {string} poll
   */
  async ask(base, poll) {
    const now = performance.now();
    if (poll === this.poll && now - this.askedAt < ASK_MS) return;
    if (poll !== this.poll) this.at = "";
    this.poll = poll;
    this.askedAt = now;
    try {
      const answer = await fetch(new URL("v1/polls/" + encodeURIComponent(poll), base).href, { cache: "no-cache" });
      const document = answer.ok ? await answer.json() : {};
      if (poll === this.poll && typeof document.closes_at === "string") this.at = document.closes_at;
    } catch (error) {
      // The feed says that the service is away.
    }
  }
}
