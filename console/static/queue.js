"use strict";
// n takes the next recording.
document.addEventListener("keydown", (e) => {
  if (e.key !== "n" || e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, dialog")) return;
  e.preventDefault();
  document.getElementById("next").click();
});
