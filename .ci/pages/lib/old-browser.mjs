// What the oldest browsers of web/build.mjs do not have: Chrome 92 and Edge 92, Firefox 91, Safari 15.0, all together.

/** To be run before a page's own scripts. */
export function old() {
  const Format = Intl.DateTimeFormat;
  const checked = (given) => {
    const name = given[1]?.timeZoneName ?? "";
    if (/Offset|Generic/.test(name)) throw new RangeError(`Value ${name} out of range for timeZoneName`);
    return given;
  };
  Intl.DateTimeFormat = new Proxy(Format, {
    construct: (target, given) => new target(...checked(given)),
    apply: (target, self, given) => target.apply(self, checked(given)),
  });
  const gone = (owner, ...names) => {
    for (const name of names) delete owner[name];
  };
  gone(globalThis, "BroadcastChannel", "LockManager", "structuredClone", "CompressionStream", "scheduler");
  gone(Navigator.prototype, "locks");
  gone(SubmitEvent.prototype, "submitter");
  gone(HTMLDialogElement.prototype, "show", "showModal", "close");
  gone(AbortSignal, "timeout", "any");
  gone(AbortSignal.prototype, "throwIfAborted", "reason");
  gone(Crypto.prototype, "randomUUID");
  gone(Object, "hasOwn", "groupBy");
  gone(Promise, "withResolvers", "try");
  gone(Map, "groupBy");
  for (const list of [Array, Uint8Array.__proto__]) gone(list.prototype, "at", "findLast", "findLastIndex", "toReversed", "toSorted", "toSpliced", "with");
  gone(String.prototype, "at", "isWellFormed", "toWellFormed");
  gone(Element.prototype, "checkVisibility");
  gone(Iterator.prototype, "map", "filter", "toArray", "forEach", "some", "every", "find", "take", "drop", "flatMap", "reduce");
}
