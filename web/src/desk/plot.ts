// Draws a series with uPlot, and lets it be read by the mouse and by a slider.

import uPlot from "uplot";

import { dashOf } from "./colors.ts";
import { clock, count, moment } from "./format.ts";
import { steps } from "./plotted.ts";
import type { Columns } from "./plotted.ts";
import { wordsOf } from "./words.ts";
import type { Lang } from "./words.ts";

/** How a plot looks. */
export interface Look {
  lang: Lang;
  timezone: string;
  names: string[];
  colors: string[];
  ink: string;
  grid: string;
}

const FONT = "12px system-ui, sans-serif";
const DAY_S = 86_400;

/** What may lie between two times of the axis: no bucket is shorter than a minute. */
const TIMES_S = [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, DAY_S, 2 * DAY_S, 7 * DAY_S, 28 * DAY_S];

interface Size {
  width: number;
  height: number;
}

export class Plot {
  readonly #host: HTMLElement;
  readonly #read: HTMLElement;
  readonly #slider: HTMLInputElement;
  #chart: uPlot | null = null;
  #shown: Columns | null = null;
  #look: Look | null = null;
  #size: Size = { width: 0, height: 0 };
  #paper: Size | null = null;

  constructor(host: HTMLElement, read: HTMLElement, slider: HTMLInputElement) {
    this.#host = host;
    this.#read = read;
    this.#slider = slider;
    slider.addEventListener("input", () => this.#pointAt(Number(slider.value)));
    new ResizeObserver(() => this.fit()).observe(host);
  }

  /** What is drawn: for tests, and for whoever asks in the console. */
  get chart(): uPlot | null {
    return this.#chart;
  }

  /** Whether it draws there; a page that was made anew has other places. */
  isIn(host: HTMLElement): boolean {
    return this.#host === host;
  }

  draw(columns: Columns, look: Look): void {
    const isOther = JSON.stringify(look) !== JSON.stringify(this.#look) || columns.ids.join() !== this.#shown?.ids.join();
    this.#shown = columns;
    this.#look = look;
    if (isOther || !this.#chart) this.#make();
    else this.#chart.setData(steps(columns) as uPlot.AlignedData);
    this.#slider.max = String(Math.max(columns.starts.length - 1, 0));
    this.#slider.disabled = columns.starts.length === 0;
    this.#say(this.#chart?.cursor.idx ?? columns.starts.length - 1);
  }

  /** Makes the plot as large as its place is; on paper, as large as told, until `null` ends that. */
  fit(paper?: Size | null): void {
    if (paper !== undefined) this.#paper = paper;
    const { clientWidth, clientHeight } = this.#host;
    const wanted = this.#paper ?? { width: clientWidth, height: clientHeight };
    if (wanted.width < 50 || (wanted.width === this.#size.width && wanted.height === this.#size.height)) return;
    this.#size = wanted;
    if (this.#chart) this.#chart.setSize(wanted);
    else if (this.#shown) this.#make();
  }

  #make(): void {
    this.#chart?.destroy();
    this.#chart = null;
    const { clientWidth: width, clientHeight: height } = this.#host;
    if (!this.#shown || !this.#look || width < 50) return;
    this.#size = this.#paper ?? { width, height };
    this.#chart = new uPlot(this.#options(this.#look), steps(this.#shown) as uPlot.AlignedData, this.#host);
  }

  #options(look: Look): uPlot.Options {
    // A bucket is as high over all of its time: a line between two of them would show votes that nobody cast.
    const paths = uPlot.paths.stepped?.({ align: 1 });
    const stepped = paths ? { paths } : {};
    const axis = { stroke: look.ink, font: FONT, grid: { stroke: look.grid, width: 1 }, ticks: { stroke: look.grid, width: 1 } };
    const one = (index: number): uPlot.Series => ({
      label: look.names[index] ?? "", stroke: look.colors[index] ?? look.ink, width: 2, dash: dashOf(index), points: { show: false }, ...stepped,
    });
    return {
      ...this.#size,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), look.timezone),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { y: { range: (_chart, _low, high) => [0, Math.max(high * 1.05, 1)] } },
      axes: [
        { ...axis, space: 60, incrs: TIMES_S, values: (_chart, splits) => splits.map((at) => this.#time(at, splits, look)) },
        {
          ...axis, size: (_chart, values) => 16 + 7.5 * Math.max(1, ...(values ?? []).map((value) => value.length)),
          // Half a vote is none.
          incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7, 1e8, 2e8, 5e8, 1e9],
          values: (_chart, splits) => splits.map((value) => count(value, look.lang)),
        },
      ],
      series: [{}, { label: "", stroke: look.ink, width: 2, points: { show: false }, ...stepped }, ...look.names.map((_name, index) => one(index))],
      hooks: { setCursor: [(chart) => this.#say(chart.cursor.idx ?? null)] },
    };
  }

  #time(at: number, splits: number[], look: Look): string {
    const isLong = (splits[splits.length - 1] ?? 0) - (splits[0] ?? 0) >= DAY_S;
    return isLong ? moment(at * 1_000, look.timezone, look.lang).slice(0, -3).replace(" ", "\n") : clock(at * 1_000, look.timezone, look.lang, false);
  }

  #pointAt(index: number): void {
    const start = this.#shown?.starts[index];
    if (this.#chart && start !== undefined) {
      // Into the bucket, not onto its edge.
      const left = this.#chart.valToPos(start, "x") + 1;
      this.#chart.setCursor({ left, top: 10 }, false);
    }
    this.#say(index);
  }

  /** Writes the values of a bucket beside the plot. */
  #say(index: number | null): void {
    const [shown, look] = [this.#shown, this.#look];
    if (!shown || !look) return;
    const place = Math.min(index ?? shown.starts.length - 1, shown.starts.length - 1);
    const start = shown.starts[place];
    if (start === undefined) {
      this.#read.textContent = "";
      return;
    }
    const parts = [`${wordsOf(look.lang).all} ${count(shown.totals[place], look.lang)}`];
    look.names.forEach((name, one) => parts.push(`${name} ${count(shown.votes[one]?.[place], look.lang)}`));
    const text = `${moment(start * 1_000, look.timezone, look.lang).slice(0, -3)}: ${parts.join(" · ")}`;
    this.#read.textContent = text;
    this.#slider.value = String(place);
    this.#slider.setAttribute("aria-valuetext", text);
  }
}
