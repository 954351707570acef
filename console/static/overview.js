"use strict";
// A dashboard's page: which range and values are chosen, what is asked, and where a click leads. The address bar holds
// all of it, so that a link shows what its sender saw.
(() => {
  const { view, words, ranges, terms, told } = JSON.parse(document.getElementById("model").textContent);
  const { draw, make, clock } = charts;
  const controls = document.getElementById("controls"), custom = document.getElementById("custom"), status = document.getElementById("status"), problem = document.getElementById("problem");
  const zone = document.body.dataset.zone;
  const panels = new Map(view.panels.map((p) => [p.id, p]));
  const lookup = (key) => key.split(".").reduce((o, k) => (o === undefined ? o : o[k] ?? o[key]), words) ?? words[key] ?? key;
  const say = (key, values) => Object.entries(values).reduce((s, [k, v]) => s.replace("{" + k + "}", v), lookup(key));
  const chosen = {};
  let marks = [];

  // What the address says.
  const address = new URLSearchParams(location.search);
  const spans = { "now-1h": 36e5, "now-6h": 6 * 36e5, "now-24h": 24 * 36e5, "now-7d": 7 * 864e5, "now-30d": 30 * 864e5, "now-90d": 90 * 864e5 };
  const begin = address.get("from") || view.from;
  if (ranges.includes(begin)) controls.range.value = begin;
  else if (address.get("from") && address.get("to")) {
    controls.range.value = "custom";
    controls.from.value = inZone(new Date(begin));
    controls.to.value = inZone(new Date(address.get("to")));
  }
  if (address.get("refresh")) controls.refresh.value = address.get("refresh");
  for (const v of view.variables) {
    chosen[v.name] = address.getAll(v.name);
    if (v.choices && chosen[v.name][0]) controls[v.name].value = chosen[v.name][0];
  }

  // inZone and outOf turn moments into the reporting zone's clock of an input, and back.
  function inZone(d) {
    const p = Object.fromEntries(new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).formatToParts(d).map((x) => [x.type, x.value]));
    return p.year + "-" + p.month + "-" + p.day + "T" + p.hour + ":" + p.minute;
  }
  function outOf(text) {
    const guess = Date.parse(text + ":00Z");
    return new Date(guess - (Date.parse(inZone(new Date(guess)) + ":00Z") - guess));
  }

  function range() {
    const now = Date.now(), r = controls.range.value;
    if (r === "custom" && controls.from.value && controls.to.value) return [outOf(controls.from.value).getTime(), outOf(controls.to.value).getTime()];
    if (r === "today") return [outOf(inZone(new Date(now)).slice(0, 11) + "00:00").getTime(), now];
    const span = spans[r] || 864e5, grid = span > 2 * 864e5 ? 36e5 : 6e4; // whole hours: the first bar is whole
    return [Math.floor((now - span) / grid) * grid, now];
  }

  // The address with what is chosen, as one to share: relative ranges stay relative.
  function query() {
    const q = new URLSearchParams();
    if (controls.range.value === "custom") {
      const [from, to] = range();
      q.set("from", new Date(from).toISOString()); q.set("to", new Date(to).toISOString());
    } else if (controls.range.value !== view.from || address.get("from")) q.set("from", controls.range.value);
    for (const v of view.variables) for (const x of chosen[v.name]) q.append(v.name, x);
    if (controls.refresh.value !== "30") q.set("refresh", controls.refresh.value);
    return q;
  }

  function callsLink(which, fixed, span) {
    const q = query(), [from, to] = span || range();
    if (span || !q.get("from")) {
      if (span || controls.range.value === "custom") { q.set("from", new Date(from).toISOString()); q.set("to", new Date(to).toISOString()); }
      else q.set("from", controls.range.value);
    }
    q.set("which", which);
    for (const [k, v] of Object.entries(fixed)) { q.delete(k); q.append(k, v); }
    return "/console/dashboards/calls?" + q;
  }

  // term is a cell's single word, and line a line's name, in the reader's language; undefined and itself where there is none.
  const term = (column, value) => terms[column.name]?.[value];
  const sentences = told.map(([said, text]) => [new RegExp(said, "s"), text]);
  const tell = (said) => {
    for (const [expression, text] of sentences) {
      const m = expression.exec(said);
      if (m) return text.replace(/{(\w+)}/g, (_, name) => name === "Kind" ? terms.kind?.[m.groups[name].replaceAll(" ", "_")] ?? m.groups[name] : m.groups[name].replace("less than", "<"));
    }
    return said;
  };
  const line = (name) => terms[""][name] ?? name;
  let span = range();

  const page = { words, say, term, tell, line, callsLink, span: () => span, annotations: () => marks, body: (id) => document.querySelector('[data-panel="' + id + '"] .body') };

  function linkBoards() {
    const q = query();
    if (!q.get("from") && controls.range.value !== "custom") q.set("from", controls.range.value);
    q.delete("which");
    for (const a of document.querySelectorAll("[data-board]")) a.search = q;
  }

  function fail(why) {
    problem.textContent = say("stale", { why });
    problem.hidden = false;
    status.textContent = words.trying;
  }

  function take(line) {
    if (line.annotations) {
      marks = line.annotations.sort((a, b) => a.at - b.at);
      events();
      for (const [p, data] of waiting) draw[p.kind](p, data, page);
      return;
    }
    const panel = panels.get(line.panel);
    if (!panel) return;
    if (line.error) {
      charts.forget(panel.id);
      page.body(panel.id).replaceChildren(make("span", line.error, "empty"));
      return;
    }
    draw[panel.kind](panel, line, page);
    if (panel.kind === "trend") waiting.push([panel, line]); // drawn again when the annotations are there
  }

  function events() {
    const box = document.getElementById("events");
    box.hidden = marks.length === 0;
    box.querySelector("summary").textContent = say("events", { n: marks.length });
    box.querySelector("ul").replaceChildren(...marks.slice(-50).reverse().map((m) => {
      const li = make("li", undefined, m.kind);
      li.append(make("time", clock.format(new Date(m.at))), make("b", m.title), make("span", m.text));
      return li;
    }));
  }

  let asking = null, timer = 0, waiting = [];
  async function refresh() {
    clearTimeout(timer);
    if (asking) asking.abort();
    const mine = (asking = new AbortController());
    waiting = [];
    const [from, to] = (span = range());
    const q = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
    for (const v of view.variables) for (const x of chosen[v.name]) q.append(v.name, x);
    document.getElementById("printed").textContent = clock.format(new Date(from)) + " – " + clock.format(new Date(to)) + view.variables.map((v) => chosen[v.name].length ? " · " + v.title + ": " + chosen[v.name].join(", ") : "").join("");
    try {
      const res = await fetch("/v1/dashboards/" + view.name + "/panels?" + q, { headers: { Accept: "application/x-ndjson" }, signal: mine.signal });
      if (!res.ok) {
        const p = await res.json().catch(() => ({}));
        throw new Error(p.detail || p.title || res.status);
      }
      const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { done, value } = await reader.read();
        const text = rest + (value || ""), lines = text.split("\n");
        rest = lines.pop();
        for (const l of lines) if (l) take(JSON.parse(l));
        if (done) break;
      }
      problem.hidden = true;
      const n = Number(controls.refresh.value);
      status.textContent = say("asof", { time: new Date().toLocaleTimeString("en-GB", { timeZone: zone }) }) + (n ? " · " + say("every", { n }) : "");
      document.body.dataset.drawn = "yes";
    } catch (e) {
      if (mine.signal.aborted) return;
      fail(e.message);
    }
    if (asking === mine) {
      asking = null;
      const n = Number(controls.refresh.value);
      if (n) timer = setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", refresh, { once: true }) : refresh()), n * 1000);
    }
  }

  function changed() {
    custom.hidden = controls.range.value !== "custom";
    if (!custom.hidden && !controls.from.value) {
      const now = new Date();
      controls.to.value = inZone(now);
      controls.from.value = inZone(new Date(now - 864e5));
    }
    for (const v of view.variables) if (v.choices) chosen[v.name] = controls[v.name].selectedIndex > 0 ? [controls[v.name].value] : [];
    history.replaceState(null, "", location.pathname + (String(query()) ? "?" + query() : ""));
    linkBoards();
    refresh();
  }

  // Variables with any number of values: a list of boxes, all = none ticked.
  const picks = new Map();
  for (const box of document.querySelectorAll("[data-variable]")) {
    const name = box.dataset.variable, list = box.querySelector(".values"), shown = box.querySelector("summary b");
    const label = () => { const c = chosen[name]; shown.textContent = c.length === 0 ? words.all : c.length === 1 ? c[0] || words.none : say("several", { n: c.length }); };
    const fill = (values) => {
      const all = [...new Set([...chosen[name], ...values])].sort();
      list.replaceChildren(...all.map((x) => {
        const l = make("label"), i = make("input");
        i.type = "checkbox"; i.value = x; i.checked = chosen[name].includes(x);
        l.append(i, x || words.none);
        return l;
      }));
    };
    picks.set(name, fill);
    list.addEventListener("change", () => { chosen[name] = [...list.querySelectorAll("input:checked")].map((i) => i.value); label(); changed(); });
    box.querySelector("button").addEventListener("click", () => { chosen[name] = []; fill([...list.querySelectorAll("input")].map((i) => i.value)); label(); box.open = false; changed(); });
    box.querySelector("input[type=search]").addEventListener("input", (e) => { for (const l of list.children) l.hidden = !l.textContent.toLowerCase().includes(e.target.value.toLowerCase()); e.stopPropagation(); });
    box.addEventListener("keydown", (e) => { if (e.key === "Escape") { box.open = false; box.querySelector("summary").focus(); } });
    fill([]);
    label();
  }
  document.addEventListener("click", (e) => { for (const d of document.querySelectorAll("details.pick[open], details.about[open]")) if (!d.contains(e.target)) d.open = false; });
  async function values() {
    const [from, to] = range();
    const res = await fetch("/v1/dashboards/" + view.name + "/values?" + new URLSearchParams({ from: new Date(Math.min(from, to - 7 * 864e5)).toISOString(), to: new Date(to).toISOString() }));
    if (!res.ok) return;
    for (const [name, all] of Object.entries(await res.json())) if (picks.has(name)) picks.get(name)(all);
  }

  controls.addEventListener("change", (e) => { if (!e.target.closest("[data-variable]")) changed(); });
  controls.addEventListener("submit", (e) => { e.preventDefault(); refresh(); });
  document.getElementById("again").addEventListener("click", refresh);
  document.getElementById("print").addEventListener("click", () => print());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  custom.hidden = controls.range.value !== "custom";
  linkBoards();
  refresh().then(values);
})();
