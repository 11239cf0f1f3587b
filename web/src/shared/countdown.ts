// The time until a poll opens or closes, by the service's clock.

import { show, write } from "./dom.ts";

const SECOND_MS = 1000;

/** How long it is until then, in words that every language reads: `1 d 02:03:04`. */
export function leftText(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / SECOND_MS));
  const two = (number: number) => String(Math.floor(number)).padStart(2, "0");
  const days = Math.floor(seconds / 86_400);
  const clock = `${two((seconds / 3600) % 24)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
  return days ? `${days} d ${clock}` : clock;
}

/** A countdown in an element that has a label and a time. */
export class Countdown {
  #until = NaN;
  /** The service's clock minus ours. */
  #ahead = 0;

  constructor(readonly element: HTMLElement) {
    this.#tick();
  }

  /** The service's time, in milliseconds since the epoch. */
  now(serverMs: number): void {
    if (Number.isFinite(serverMs)) this.#ahead = serverMs - Date.now();
  }

  /** Counts to that instant; none where there is nothing to count to. */
  to(label: string, at: string | undefined): void {
    this.#until = at ? Date.parse(at) : NaN;
    const [name] = this.element.getElementsByClassName("label");
    if (name) write(name, label);
    this.#draw();
  }

  #draw(): void {
    const left = this.#until - Date.now() - this.#ahead;
    const isCounting = left > 0;
    const [time] = this.element.getElementsByTagName("time");
    if (isCounting && time) write(time, leftText(left));
    show(this.element, isCounting);
  }

  #tick(): void {
    this.#draw();
    setTimeout(() => this.#tick(), SECOND_MS - ((Date.now() + this.#ahead) % SECOND_MS));
  }
}
