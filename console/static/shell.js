"use strict";
// Keyboard of every page: g and a letter goes to a page, ? shows the keys. Nothing is taken from somebody who types.
(() => {
  const keys = document.getElementById("keys");
  const typing = (e) => e.target.closest?.("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]") !== null && e.target.closest !== undefined;
  let went = 0;
  document.addEventListener("keydown", (e) => {
    if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || typing(e) || keys.open) return;
    if (e.key === "?") {
      keys.showModal();
      e.preventDefault();
      return;
    }
    if (e.key === "g") { went = e.timeStamp; return; }
    if (went && e.timeStamp - went < 1500) {
      const a = document.querySelector('[data-go="' + CSS.escape(e.key) + '"]');
      if (a) { a.click(); e.preventDefault(); }
    }
    went = 0;
  });
})();
