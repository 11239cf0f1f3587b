const CSS = `
:host { display: block; font: var(--paredao-font, inherit); color: var(--paredao-text, inherit); }
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
p, ul, fieldset { margin: 0; padding: 0; border: 0; min-width: 0; }
ul { list-style: none; }
[hidden] { display: none !important; }
.stack { display: grid; gap: var(--paredao-gap, 0.75rem); }
.title, legend { padding: 0; font-weight: 700; }
legend { margin-bottom: var(--paredao-gap, 0.75rem); }
.row { display: grid; grid-template-columns: 1fr auto; gap: 0.15rem 1rem; align-items: baseline; }
.percent { font-variant-numeric: tabular-nums; font-weight: 700; }
.votes { grid-column: 1 / -1; font-size: 0.875em; font-variant-numeric: tabular-nums; }
.bar { grid-column: 1 / -1; height: var(--paredao-bar, 0.6rem); border-radius: var(--paredao-radius, 0.4rem);
  background: var(--paredao-track, rgb(127 127 127 / 0.25)); overflow: hidden; }
.fill { height: 100%; width: 100%; background: var(--paredao-fill, #0b57d0); transform: scaleX(var(--share, 0));
  transform-origin: left; transition: transform 0.4s ease-out; }
:host(:dir(rtl)) .fill { transform-origin: right; }
.stale .fill { opacity: 0.45; }
label { display: flex; gap: 0.6rem; align-items: center; min-height: 2.75rem; padding: 0.35rem 0.75rem; cursor: pointer;
  border: 1px solid var(--paredao-border, rgb(127 127 127 / 0.7)); border-radius: var(--paredao-radius, 0.4rem); }
label + label { margin-top: 0.5rem; }
label:has(:checked) { border-color: var(--paredao-accent, #0b57d0); box-shadow: inset 0 0 0 1px var(--paredao-accent, #0b57d0); }
fieldset:disabled label, label:has(:disabled) { cursor: not-allowed; }
input { width: 1.25rem; height: 1.25rem; margin: 0; accent-color: var(--paredao-accent, #0b57d0); flex: none; }
button { font: inherit; font-weight: 700; min-height: 2.75rem; padding: 0.5rem 1.25rem; cursor: pointer; border: 0;
  border-radius: var(--paredao-radius, 0.4rem); color: var(--paredao-on-accent, #fff); background: var(--paredao-accent, #0b57d0); }
button:disabled { cursor: not-allowed; opacity: 0.5; }
:focus-visible { outline: 3px solid var(--paredao-focus, currentColor); outline-offset: 2px; }
code { overflow-wrap: anywhere; font-size: 0.875em; }
@media (prefers-reduced-motion: reduce) { .fill { transition: none; } }
@media (forced-colors: active) { .bar { border: 1px solid CanvasText; } .fill { forced-color-adjust: none; background: CanvasText; } }
@media print { .fill { print-color-adjust: exact; } form { display: none; } }
`;

let sheet: CSSStyleSheet | undefined;

/** The elements' style sheet: made by script, so that a page's policy (`style-src`) has nothing to refuse. */
export function style(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}
