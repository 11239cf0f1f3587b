// Runs before anything else: keeps what CasparCG calls until page.js is there to do it.
//
// CasparCG itself waits for the page's load; other hosts call as soon as there is a window. A function that is not there
// yet would be an error that nobody sees.
(function () {
  "use strict";
  var AGAIN_MS = 1000;
  var KEPT = "paredao-calls";
  /** The calls that nobody has done yet, in their order. */
  var calls = [];
  try {
    calls = JSON.parse(sessionStorage.getItem(KEPT) || "[]");
    sessionStorage.removeItem(KEPT);
  } catch (error) {
    // Without a store they are lost where the page has to be loaded anew.
  }
  // CasparCG has put a function there by which a page ends itself. Ours stands before it, and calls it.
  var host = typeof window.remove === "function" ? window.remove : null;
  window.paredao = {
    calls: calls,
    endPage: function () {
      if (host) host.call(window);
    },
    run: function (name, given) {
      calls.push([name, given]);
    },
  };
  ["play", "stop", "next", "update", "remove"].forEach(function (name) {
    window[name] = function (given) {
      return window.paredao.run(name, given);
    };
  });

  // While a new version is rolled out, the page may come from one process and a part of it be asked of another one, which
  // does not have it. A page that has failed stays so for ever in CasparCG: it is loaded anew.
  window.addEventListener(
    "error",
    function (event) {
      var part = event.target;
      if (!part || (part.tagName !== "SCRIPT" && part.tagName !== "LINK")) return;
      setTimeout(function () {
        try {
          sessionStorage.setItem(KEPT, JSON.stringify(calls));
        } catch (error) {
          // As above.
        }
        location.reload();
      }, AGAIN_MS);
    },
    true,
  );
})();
