"use strict";
// The review's page: the player, the sheet that keeps itself, and the keyboard for both.
(() => {
  const start = JSON.parse(document.getElementById("start").textContent);
  const texts = start.texts, $ = (id) => document.getElementById(id);
  const csrf = document.querySelector('meta[name="csrf"]').content;
  const entering = start.editing || start.amends;
  const sheetForm = $("sheet"), audio = $("audio");
  let markers = (start.sheet.markers || []).map((m) => ({ at_ms: Number(m.at_ms || 0), text: m.text || "", checkpoint: m.checkpoint || "" }));
  const clock = (ms) => { const s = Math.floor(ms / 1000); return Math.floor(s / 60) + ":" + String(s % 60).padStart(2, "0"); };

  // ---- the player
  const wave = $("wave");
  let peaks = [], duration = 0;
  function paint() {
    if (!wave) return;
    const ratio = devicePixelRatio || 1, w = wave.clientWidth, h = wave.clientHeight;
    wave.width = w * ratio; wave.height = h * ratio;
    const g = wave.getContext("2d"), css = getComputedStyle(document.documentElement), colour = (n) => css.getPropertyValue(n).trim();
    g.scale(ratio, ratio);
    const at = duration ? audio.currentTime * 1000 / duration : 0, mid = h / 2, n = Math.max(1, Math.floor(w / 3));
    for (let i = 0; i < n; i++) {
      const from = Math.floor(i * peaks.length / n), to = Math.max(from + 1, Math.floor((i + 1) * peaks.length / n));
      let top = 0;
      for (let k = from; k < to && k < peaks.length; k++) top = Math.max(top, peaks[k]);
      const y = Math.max(1, Math.sqrt(top / 255) * (mid - 3));
      g.fillStyle = colour(i / n < at ? "--accent" : "--dim");
      g.fillRect(i * 3, mid - y, 2, 2 * y);
    }
    g.fillStyle = colour("--second");
    for (const m of markers) if (duration) g.fillRect(m.at_ms / duration * w - 1, 0, 2, h);
    g.fillStyle = colour("--ink");
    g.fillRect(Math.min(w - 1, at * w), 0, 1.5, h);
  }
  function tell() {
    const now = audio.currentTime * 1000;
    $("time").textContent = clock(now) + " / " + clock(duration);
    wave.setAttribute("aria-valuemax", Math.round(duration / 1000));
    wave.setAttribute("aria-valuenow", Math.round(now / 1000));
    wave.setAttribute("aria-valuetext", clock(now));
    paint();
  }
  const seek = (ms) => { audio.currentTime = Math.max(0, Math.min(duration / 1000 || Infinity, ms / 1000)); tell(); };
  const jump = (s) => seek((audio.currentTime + s) * 1000);
  const toggle = () => (audio.paused ? audio.play().catch(() => unheard("unavailable")) : audio.pause());
  function unheard(why) { $("unheard").textContent = texts[why] || texts.unavailable; $("unheard").hidden = false; }
  function faster(step) {
    const s = $("speed");
    s.selectedIndex = Math.max(0, Math.min(s.options.length - 1, s.selectedIndex + step));
    audio.playbackRate = Number(s.value);
  }
  if (audio) {
    fetch($("player").dataset.src + "/waveform", { headers: { Accept: "application/json" } }).then(async (r) => {
      const x = await r.json();
      if (!r.ok) { unheard(x.detail); return; }
      peaks = x.peaks; duration = x.duration_ms;
      tell();
    }).catch(() => unheard("unavailable"));
    audio.addEventListener("loadedmetadata", () => { if (!duration && Number.isFinite(audio.duration)) duration = audio.duration * 1000; tell(); });
    for (const ev of ["timeupdate", "seeked"]) audio.addEventListener(ev, tell);
    for (const ev of ["play", "pause", "ended"]) audio.addEventListener(ev, () => { $("play").textContent = audio.paused ? "▶" : "⏸"; $("play").setAttribute("aria-label", audio.paused ? texts.play : texts.pause); });
    $("play").addEventListener("click", toggle);
    $("back").addEventListener("click", () => jump(-5));
    $("forward").addEventListener("click", () => jump(5));
    $("speed").addEventListener("change", () => { audio.playbackRate = Number($("speed").value); });
    wave.addEventListener("click", (e) => seek((e.offsetX / wave.clientWidth) * duration));
    wave.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: -5, ArrowRight: 5, ArrowDown: -1, ArrowUp: 1, Home: -1e9, End: 1e9 }[e.key];
      if (step) { jump(step); e.preventDefault(); }
    });
    new ResizeObserver(paint).observe(wave);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
    if ($("mark")) $("mark").addEventListener("click", mark);
    list();
  }
  function mark() {
    markers.push({ at_ms: Math.round(audio.currentTime * 1000), text: "", checkpoint: "" });
    markers.sort((a, b) => a.at_ms - b.at_ms);
    list();
    changed();
    const m = markers.findIndex((x) => x.text === "" && Math.abs(x.at_ms - audio.currentTime * 1000) < 2000);
    $("markers").querySelectorAll("input")[m]?.focus();
  }
  function list() {
    const out = markers.map((m) => {
      const li = document.createElement("li"), go = document.createElement("button");
      go.type = "button"; go.className = "quiet"; go.textContent = clock(m.at_ms);
      go.addEventListener("click", () => seek(m.at_ms));
      li.append(go);
      if (!start.editing) { li.append(m.text); return li; }
      const text = document.createElement("input");
      text.value = m.text; text.maxLength = 1000; text.setAttribute("aria-label", texts.markertext + " " + clock(m.at_ms));
      text.addEventListener("input", () => { m.text = text.value; changed(); });
      const off = document.createElement("button");
      off.type = "button"; off.className = "quiet"; off.textContent = "×"; off.setAttribute("aria-label", texts.markeroff + " " + clock(m.at_ms));
      off.addEventListener("click", () => { markers = markers.filter((x) => x !== m); list(); changed(); });
      li.append(text, off);
      return li;
    });
    $("markers").replaceChildren(...out);
    paint();
  }

  // ---- the sheet
  let seq = start.seq, timer = 0, sending = false, dirty = false;
  const spare = "draft:" + start.task;
  function sheet() {
    const checks = [];
    for (const f of sheetForm.querySelectorAll(".check")) {
      const a = f.querySelector("input[type=radio]:checked"), note = f.querySelector(".note");
      if (a && !(f.closest("#standards, [data-sale]") && !$("sale").checked)) checks.push({ id: f.dataset.check, answer: a.value, comment: note ? note.value : "" });
    }
    return { rubric: start.rubric, checks, markers, comment: $("comment").value, sale: $("sale").checked };
  }
  function fill(s) {
    $("sale").checked = !!s.sale; $("comment").value = s.comment || "";
    for (const c of s.checks || []) {
      const f = sheetForm.querySelector('.check[data-check="' + CSS.escape(c.id) + '"]');
      if (!f) continue;
      const a = f.querySelector('input[value="' + CSS.escape(c.answer) + '"]');
      if (a) a.checked = true;
      if (f.querySelector(".note")) f.querySelector(".note").value = c.comment || "";
    }
    markers = (s.markers || []).map((m) => ({ at_ms: Number(m.at_ms || 0), text: m.text || "", checkpoint: m.checkpoint || "" }));
    if (audio) list();
  }
  const post = (what, body, more) => fetch("/console/review/" + encodeURIComponent(start.task) + "/" + what,
    { method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf }, body: JSON.stringify(body), ...more });
  function onsale() {
    $("standards").hidden = !$("sale").checked;
    for (const f of sheetForm.querySelectorAll("[data-sale]")) f.hidden = !$("sale").checked;
  }
  async function judge() {
    try {
      const r = await post("judge", { sheet: sheet() });
      if (r.ok) show(await r.json());
    } catch { $("left").textContent = texts.unavailable; }
  }
  function changed() {
    if (start.amends) { clearTimeout(timer); timer = setTimeout(judge, 300); return; }
    if (!start.editing) return;
    seq++; dirty = true;
    sessionStorage.setItem(spare, JSON.stringify({ seq, sheet: sheet() }));
    $("saved").textContent = texts.saving;
    clearTimeout(timer);
    timer = setTimeout(save, 500);
  }
  async function save() {
    if (sending) { timer = setTimeout(save, 200); return; }
    sending = true;
    const at = seq;
    try {
      const r = await post("draft", { seq: at, sheet: sheet() }), x = await r.json();
      if (!r.ok) {
        $("saved").textContent = (r.status === 401 ? texts.signedout : texts.notsaved) + (x.detail ? " " + x.detail : "");
        if (r.status >= 500) timer = setTimeout(save, 2000);
      } else {
        show(x);
        if (seq === at) { dirty = false; sessionStorage.removeItem(spare); $("saved").textContent = texts.saved.replace("%s", x.saved_at); }
      }
    } catch {
      $("saved").textContent = texts.notsaved;
      timer = setTimeout(save, 2000);
    }
    sending = false;
  }
  function show(x) {
    $("total").textContent = x.score;
    $("left").textContent = x.open ? texts.left.replace("%s", x.open) : texts.complete;
    const v = $("verdict");
    v.className = "tag " + (x.passed ? "good" : "bad");
    v.textContent = x.fatal ? texts.fatal : x.passed ? texts.passed : texts.failed;
  }
  async function submit(publish) {
    clearTimeout(timer);
    const problem = $("refused");
    problem.hidden = true;
    const buttons = start.amends ? [$("propose")] : [$("publish"), $("scoreonly")];
    for (const b of buttons) b.disabled = true;
    try {
      const r = await (start.amends ? post("amend", { sheet: sheet(), side: start.amends, reason: $("reason").value, command: start.command })
        : post("score", { sheet: sheet(), publish, command: start.command })), x = await r.json();
      if (r.ok) { sessionStorage.removeItem(spare); dirty = false; location.assign(x.next); return; }
      problem.textContent = x.detail || x.title;
    } catch { problem.textContent = texts.unavailable; }
    problem.hidden = false;
    for (const b of buttons) b.disabled = false;
    if (start.amends && $("reason").value.trim().length < 5) { $("reason").focus(); return; }
    const open = firstOpen();
    if (open) open.querySelector("input").focus(); else problem.scrollIntoView({ block: "center" });
  }
  const shown = (f) => f.offsetParent !== null;
  const firstOpen = () => [...sheetForm.querySelectorAll("section .check")].find((f) => shown(f) && !f.querySelector("input[type=radio]:checked"));
  function answer(key) {
    const value = { y: "yes", p: "partial", n: "no", x: "na" }[key];
    let f = document.activeElement.closest?.(".check");
    if (!f) f = firstOpen();
    const a = f && f.querySelector('input[type=radio][value="' + value + '"]');
    if (!a) return false;
    a.checked = true;
    changed();
    const all = [...sheetForm.querySelectorAll(".check")].filter(shown), next = all[all.indexOf(f) + 1];
    (next || f).querySelector("input[type=radio]").focus();
    return true;
  }
  if (start.editing) {
    sheetForm.addEventListener("input", () => { onsale(); changed(); });
    sheetForm.addEventListener("submit", (e) => e.preventDefault());
    $("publish").addEventListener("click", () => submit(true));
    $("scoreonly").addEventListener("click", () => submit(false));
    let kept = null;
    try { kept = JSON.parse(sessionStorage.getItem(spare)); } catch { kept = null; }
    if (kept && kept.seq > seq) { fill(kept.sheet); seq = kept.seq; changed(); } // what the server did not get before the page went
    else if (start.seq) post("draft", { seq: start.seq, sheet: sheet() }).then(async (r) => r.ok && show(await r.json())).catch(() => {});
    addEventListener("pagehide", () => { if (dirty) post("draft", { seq, sheet: sheet() }, { keepalive: true }).catch(() => {}); });
  }
  if (start.amends) {
    sheetForm.addEventListener("input", () => { onsale(); changed(); });
    sheetForm.addEventListener("submit", (e) => e.preventDefault());
    $("propose").addEventListener("click", () => submit(false));
    judge();
  }
  if (entering) onsale();

  document.addEventListener("keydown", (e) => {
    if (e.defaultPrevented || e.altKey || document.querySelector("dialog[open]")) return;
    if ((e.ctrlKey || e.metaKey) && e.key === "Enter" && entering) { e.preventDefault(); submit(true); return; }
    if (e.ctrlKey || e.metaKey || e.target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select")) return;
    let done = true;
    if (audio && (e.key === "k" || (e.key === " " && !e.target.closest("button, input, summary, a")))) toggle();
    else if (audio && e.key === "j") jump(-5);
    else if (audio && e.key === "l") jump(5);
    else if (audio && e.key === "[") faster(-1);
    else if (audio && e.key === "]") faster(1);
    else if (audio && start.editing && e.key === "m") mark();
    else if (entering && "ypnx".includes(e.key)) done = answer(e.key);
    else done = false;
    if (done) e.preventDefault();
  });
})();
