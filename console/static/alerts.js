"use strict";
// The page of alerts keeps itself up to date, and leaves alone what somebody is writing: every ten seconds, and every
// second for a while after a decision, which takes a moment to come back.
(() => {
  const live = document.getElementById("live");
  let soon = live.dataset.fresh ? 15 : 0;
  async function again() {
    const busy = live.querySelector("details[open]") || live.contains(document.activeElement);
    if (!busy && !document.hidden) {
      try {
        const res = await fetch(location.pathname, { headers: { Accept: "text/html" } });
        if (res.ok && !res.redirected) {
          const fresh = new DOMParser().parseFromString(await res.text(), "text/html").getElementById("live");
          const notice = soon > 0 ? live.querySelector(".notice") : null;
          if (fresh && !live.querySelector("details[open]")) {
            live.replaceChildren(...fresh.childNodes);
            if (notice) live.prepend(notice);
          }
        }
      } catch { /* the next time */ }
    }
    soon = Math.max(0, soon - 1);
    setTimeout(again, soon > 0 ? 1000 : 10000);
  }
  setTimeout(again, soon > 0 ? 1000 : 10000);
})();
