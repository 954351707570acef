"use strict";
(() => {
  const zone = document.body.dataset.zone;
  const controls = document.getElementById("controls");
  const status = document.getElementById("status");
  const problem = document.getElementById("problem");
  const hours = { "1h": 1, "6h": 6, "1d": 48, "7d": 168, "30d": 720 };
  const charts = new Map();
  const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const decimal = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
  let model;

  const saved = new URLSearchParams(location.search);
  if (saved.get("range") in hours) controls.range.value = saved.get("range");

  function show(value, unit) {
    if (value === null || value === undefined) return "–";
    switch (unit) {
      case "ratio": {
        const p = value * 100;
        return (p !== 0 && Math.abs(p) < 1 ? p.toFixed(2) : p.toFixed(1)) + " %";
      }
      case "seconds": {
        const s = Math.round(value);
        return s < 60 ? s + " s" : Math.floor(s / 60) + " min " + (s % 60) + " s";
      }
      case "hours": return decimal.format(value) + " h";
      case "per_hour": return decimal.format(value) + " /h";
      case "points": return decimal.format(value);
      default: return number.format(value);
    }
  }

  async function ask(metrics, by, from, to) {
    const q = new URLSearchParams();
    for (const m of metrics) q.append("metric", m);
    q.set("from", from); q.set("to", to);
    if (by) q.set("by", by);
    if (controls.campaign.value) q.append("where", "campaign=" + controls.campaign.value);
    const res = await fetch("/v1/kpi?" + q, { headers: { Accept: "application/json" } });
    if (!res.ok) {
      const p = await res.json().catch(() => ({}));
      throw new Error(p.detail || p.title || "the server answered " + res.status);
    }
    return res.json();
  }

  const bodyOf = (id) => document.querySelector('[data-panel="' + id + '"] .body');

  function make(tag, text, cls) {
    const e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    if (cls) e.className = cls;
    return e;
  }

  function stat(panel, results) {
    const r = results.get(panel.metrics[0]);
    const row = r && r.rows[0];
    const out = [make("span", row ? show(row.value, r.unit) : "–", "value")];
    if (row && row.denominator !== undefined && r.unit === "ratio") {
      out.push(make("span", number.format(row.numerator) + " of " + number.format(row.denominator), "parts"));
    }
    bodyOf(panel.id).replaceChildren(...out);
  }

  function title(name) { const t = name.replaceAll("_", " "); return t[0].toUpperCase() + t.slice(1); }

  function trend(panel, results) {
    const body = bodyOf(panel.id);
    const series = panel.metrics.map((m) => results.get(m)).filter(Boolean);
    const times = [...new Set(series.flatMap((r) => r.rows.map((x) => Date.parse(x[panel.by]) / 1000)))].filter(Number.isFinite).sort((a, b) => a - b);
    if (times.length === 0) {
      charts.delete(panel.id);
      body.replaceChildren(make("span", "nothing in this range", "empty"));
      return;
    }
    const data = [times, ...series.map((r) => {
      const at = new Map(r.rows.map((x) => [Date.parse(x[panel.by]) / 1000, x.value]));
      return times.map((t) => { const v = at.get(t); return v === undefined || v === null ? null : r.unit === "ratio" ? v * 100 : v; });
    })];
    const css = getComputedStyle(document.documentElement);
    const colour = (n) => css.getPropertyValue(n).trim();
    const old = charts.get(panel.id);
    if (old && old.ink === colour("--ink")) { old.plot.setData(data); return; }
    const legend = make("ul", undefined, "legend");
    for (const r of series) {
      const li = make("li");
      li.append(make("i"), title(r.metric) + (r.unit === "ratio" ? ", %" : ""));
      legend.append(li);
    }
    const holder = make("div", undefined, "chart");
    holder.setAttribute("role", "img");
    holder.setAttribute("aria-label", panel.title + ", by " + panel.by + ", " + times.length + " points");
    body.replaceChildren(legend, holder);
    const strokes = [colour("--accent"), colour("--second")];
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const plot = new uPlot({
      width: holder.clientWidth, height: 210, tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), zone), legend: { show: false },
      cursor: { y: false }, scales: { y: { range: (_u, lo, hi) => [0, Math.max(hi || 1, 1e-9) * 1.1] } },
      axes: [axis, { ...axis, size: 56 }],
      series: [{}, ...series.map((r, i) => ({ label: title(r.metric), stroke: strokes[i % 2], width: 2, points: { show: times.length < 40, size: 5 },
        paths: r.unit === "ratio" ? undefined : uPlot.paths.stepped({ align: 1 }) }))],
    }, data, holder);
    new ResizeObserver(() => plot.setSize({ width: holder.clientWidth, height: 210 })).observe(holder);
    charts.set(panel.id, { plot, ink: colour("--ink") });
  }

  function breakdown(panel, results) {
    const body = bodyOf(panel.id);
    const columns = panel.metrics.map((m) => results.get(m)).filter(Boolean);
    const rows = new Map();
    columns.forEach((r, i) => {
      for (const x of r.rows) {
        const key = x[panel.by] === null ? "(none)" : x[panel.by];
        if (!rows.has(key)) rows.set(key, []);
        rows.get(key)[i] = x.value;
      }
    });
    if (rows.size === 0) { body.replaceChildren(make("span", "nothing in this range", "empty")); return; }
    const sorted = [...rows].sort((a, b) => (b[1][0] || 0) - (a[1][0] || 0));
    const most = Math.max(...sorted.map((x) => x[1][0] || 0), 1e-9);
    const table = make("table"), head = make("tr");
    const corner = make("th", title(panel.by)); corner.scope = "col"; head.append(corner);
    for (const r of columns) { const th = make("th", title(r.metric)); th.scope = "col"; head.append(th); }
    const thead = make("thead"), tbody = make("tbody");
    thead.append(head);
    for (const [key, values] of sorted) {
      const tr = make("tr"), th = make("th", key);
      th.scope = "row"; tr.append(th);
      columns.forEach((r, i) => {
        const td = make("td", undefined, i === 0 ? "first" : "");
        if (i === 0) {
          const bar = make("i");
          bar.style.width = (100 * (values[0] || 0) / most) + "%";
          td.append(bar);
        }
        td.append(make("span", show(values[i], r.unit)));
        tr.append(td);
      });
      tbody.append(tr);
    }
    table.append(thead, tbody);
    const scroll = make("div", undefined, "scroll");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", panel.title);
    scroll.append(table);
    const top = body.firstElementChild ? body.firstElementChild.scrollTop : 0;
    body.replaceChildren(scroll);
    scroll.scrollTop = top;
  }

  const draw = { stat, trend, breakdown };
  let running = false;

  async function refresh() {
    if (running) return;
    running = true;
    const now = Date.now(), span = hours[controls.range.value] * 3600e3;
    const from = new Date(Math.floor((now - span) / 3600e3) * 3600e3).toISOString(), to = new Date(now).toISOString();
    const panels = model.rows.flatMap((r) => r.panels);
    const groups = new Map();
    for (const p of panels) {
      const by = p.kind === "stat" ? "" : p.kind === "trend" && span > 10 * 24 * 3600e3 ? "day" : p.by || "";
      const g = groups.get(by) || { by, panels: [], metrics: new Set() };
      g.panels.push(p.kind === "trend" ? { ...p, by } : p);
      p.metrics.forEach((m) => g.metrics.add(m));
      groups.set(by, g);
    }
    try {
      for (const g of groups.values()) {
        const answer = await ask([...g.metrics], g.by, from, to);
        const results = new Map(answer.map((r) => [r.metric, r]));
        for (const p of g.panels) draw[p.kind](p, results);
        if (g.by === "campaign" && !controls.campaign.value) choices(answer);
      }
      problem.hidden = true;
      status.textContent = "as of " + new Date().toLocaleTimeString("en-GB", { timeZone: zone }) + " · every 5 s";
    } catch (e) {
      problem.textContent = "No fresh figures: " + e.message;
      problem.hidden = false;
      status.textContent = "trying again";
    }
    running = false;
  }

  function choices(answer) {
    const names = [...new Set(answer.flatMap((r) => r.rows.map((x) => x.campaign)))].filter(Boolean).sort();
    const have = [...controls.campaign.options].map((o) => o.value);
    for (const n of names) if (!have.includes(n)) controls.campaign.append(new Option(n, n));
  }

  controls.addEventListener("change", () => {
    const q = new URLSearchParams({ range: controls.range.value });
    history.replaceState(null, "", "?" + q);
    refresh();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  fetch("/console/overview.json").then((r) => r.json()).then((m) => { model = m; refresh(); setInterval(refresh, 5000); });
})();
