// Runs before anything else: keeps what CasparCG calls until page.js is there to do it.
//
// CasparCG itself waits for the page's load; other hosts call as soon as there is a window. A function that is not there
// yet would be an error that nobody sees.
(function () {
  "use strict";
  var calls = [];
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
})();
