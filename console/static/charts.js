"use strict";
// How a panel's figures become a picture. Each function takes the panel, its line of the answer and the page, and
// returns nothing: it fills the panel's body.
const charts = (() => {
  const lang = document.documentElement.lang || "en";
  const zone = document.body.dataset.zone;
  const whole = new Intl.NumberFormat(lang, { maximumFractionDigits: 0 });
  const decimal = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
  const tenth = new Intl.NumberFormat(lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const fine = new Intl.NumberFormat(lang, { maximumSignificantDigits: 3 });
  const iso = new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const clock = { format: (d) => iso.format(d).replace(",", "") };
  const countUnits = ["calls", "orders", "permits", "complaints", "accounts", "agents"];

  function make(tag, text, cls) {
    const e = document.createElement(tag);
    if (text !== undefined && text !== null) e.textContent = text;
    if (cls) e.className = cls;
    return e;
  }

  function show(value, unit) {
    if (value === null || value === undefined || value === "") return "–";
    if (Array.isArray(value)) return value.join(", ");
    switch (unit) {
      case "ratio": {
        const p = value * 100;
        if (p > 0 && p < 0.01) return "< 0.01 %";
        return (p !== 0 && Math.abs(p) < 1 ? p.toFixed(2) : p.toFixed(1)) + " %";
      }
      case "seconds": {
        if (value < 1) return fine.format(value * 1000) + " ms";
        const s = Math.round(value);
        return s < 60 ? (value < 10 ? decimal.format(value) : s) + " s" : Math.floor(s / 60) + " min " + String(s % 60).padStart(2, "0") + " s";
      }
      case "hours": return tenths(value) + " h";
      case "per_hour": return tenths(value) + " /h";
      case "points": return tenths(value);
      case "number": return Math.abs(value) < 10 ? fine.format(value) : whole.format(value);
      case "p": return value === 0 ? "–" : value < 0.0001 ? "< 0.0001" : fine.format(value);
      case "time": return clock.format(new Date(value));
    }
    if (unit === "word") return String(value).replaceAll("_", " ");
    if (typeof value !== "number") return String(value);
    return Number.isInteger(value) ? whole.format(value) : fine.format(value);
  }

  // tenths of what is below a thousand, so that a column's figures stand below each other.
  function tenths(value) {
    if (value === 0 || Math.abs(value) >= 1000) return whole.format(value);
    return Math.abs(value) < 0.1 ? "< " + tenth.format(0.1) : tenth.format(value);
  }

  // count of a ratio's parts: calls are whole, hours are not.
  const count = (n) => (Number.isInteger(n) || Math.abs(n) >= 100 ? whole.format(n) : decimal.format(n));

  // colour of a variable of the style sheet, as the canvas understands it.
  const probe = document.body.appendChild(make("i", "", "probe"));
  function colour(name) {
    probe.style.color = "var(" + name + ")";
    return getComputedStyle(probe).color;
  }
  const palette = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"];

  function missed(column, value) {
    if (column.target === undefined || value === null || value === undefined) return false;
    return column.ceiling ? value >= column.target : value < column.target - 1e-12;
  }

  function stat(panel, data, page) {
    const column = panel.columns[0] || { unit: panel.unit };
    const value = data.rows.length ? data.rows[0][0] : null;
    const which = panel.which && value ? page.callsLink(panel.which, {}) : null;
    const number = make(which ? "a" : "span", show(value, column.unit), "value" + (missed(column, value) ? " missed" : ""));
    if (which) { number.href = which; number.title = page.words.calls; }
    const out = [number];
    const small = make("span", undefined, "parts");
    const part = data.parts && data.parts[0];
    if (part && part[1] && column.unit === "ratio") small.append(page.say("of", { n: count(part[0]), m: count(part[1]) }));
    const was = data.before ? data.before[0] : null;
    if (was !== null && was !== undefined && value !== null) {
      const change = column.unit === "ratio" ? (value - was) * 100 : was ? (value / was - 1) * 100 : null;
      if (change !== null && Math.abs(change) > 300) small.append(make("span", page.say("before", { v: show(was, column.unit) })));
      else if (change !== null && Number.isFinite(change)) {
        const good = !column.better || Math.abs(change) < 0.05 ? "" : (change > 0) === (column.better === "more") ? " good" : " poor";
        const arrow = Math.abs(change) < 0.05 ? "＝" : change > 0 ? "▲" : "▼";
        const d = make("span", arrow + " " + decimal.format(Math.abs(change)) + (column.unit === "ratio" ? " pp" : " %"), "delta" + good);
        d.title = page.say("before", { v: show(was, column.unit) });
        small.append(d);
      }
    }
    if (column.target !== undefined) small.append(make("span", page.say("line", { v: (column.ceiling ? "< " : "≥ ") + show(column.target, column.unit) }), "line"));
    out.push(small);
    page.body(panel.id).replaceChildren(...out);
  }

  function cells(panel, data, page) {
    const body = page.body(panel.id);
    if (!data.rows.length) return nothing(panel, page);
    const table = make("table"), head = make("tr"), tbody = make("tbody"), thead = make("thead");
    const numeric = panel.columns.map((c) => c.unit && c.unit !== "time" && c.unit !== "word");
    panel.columns.forEach((c, i) => { const th = make("th", c.title, numeric[i] ? "n" : ""); th.scope = "col"; head.append(th); });
    thead.append(head);
    const rows = panel.kind === "breakdown" ? [...data.rows].sort((a, b) => (a[0] === null) - (b[0] === null) || (b[1] ?? -1) - (a[1] ?? -1)) : data.rows;
    const most = panel.columns.map((c, i) => c.bar ? Math.max(...rows.filter((r) => r[0] !== null || rows.length === 1).map((r) => r[i] || 0), 1e-12) : 0); // those without a value do not dwarf the others
    const key = panel.columns.findIndex((c) => c.drill);
    const absent = (c, v) => (panel.kind === "breakdown" && v === null && countUnits.includes(c.unit) ? 0 : v); // nothing was counted there
    for (const r of rows) {
      const tr = make("tr"), fixed = key >= 0 ? { [panel.columns[key].drill]: r[key] === null ? "" : r[key] } : null;
      panel.columns.forEach((c, i) => {
        const cell = make(i === 0 ? "th" : "td", undefined, [numeric[i] ? "n" : "", c.bar ? "barcell" : "", c.long ? "long" : "", c.unit === "time" ? "time" : "", missed(c, r[i]) ? "missed" : ""].join(" ").trim());
        if (i === 0) cell.scope = "row";
        const text = i === 0 && (r[i] === null || r[i] === "") ? page.words.none : page.term(c, r[i]) ?? (c.long && r[i] ? page.tell(r[i]) : show(absent(c, r[i]), c.unit));
        const own = c.drill && i !== key ? { [c.drill]: r[i] } : fixed;
        const which = c.which || (panel.which || "all");
        if (c.bar) {
          const b = make("i");
          b.style.width = Math.min(100, 100 * (r[i] || 0) / most[i]) + "%";
          cell.append(b);
        }
        if (own && (c.bar || c.drill || c.which) && !(c.drill && !r[i] && i !== 0)) {
          const a = make("a", text);
          a.href = page.callsLink(c.drill && !c.which ? (panel.which || "all") : which, own);
          a.title = page.words.calls;
          cell.append(a);
        } else cell.append(make("span", text));
        tr.append(cell);
      });
      tbody.append(tr);
    }
    table.append(thead, tbody);
    const scroll = make("div", undefined, "scroll");
    scroll.tabIndex = 0;
    scroll.style.maxHeight = panel.height * 2.6 + "rem";
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", panel.title);
    scroll.append(table);
    const old = body.querySelector(".scroll"), top = old ? old.scrollTop : 0, left = old ? old.scrollLeft : 0;
    body.replaceChildren(scroll);
    scroll.scrollTop = top;
    scroll.scrollLeft = left;
  }

  function funnel(panel, data, page) {
    const values = data.rows[0] || [];
    const most = Math.max(...values.map((v) => v || 0), 1e-12);
    const list = make("ol", undefined, "stages");
    panel.columns.forEach((c, i) => {
      const li = make("li"), bar = make("i");
      bar.style.width = Math.max(0.5, 100 * (values[i] || 0) / most) + "%";
      const a = make(c.which ? "a" : "span", c.title, "name");
      if (c.which) { a.href = page.callsLink(c.which, {}); a.title = page.words.calls; }
      const share = i > 0 && values[i - 1] ? show(values[i] / values[i - 1], "ratio") : "";
      li.append(a, make("span", show(values[i], c.unit), "count"), make("span", share, "share"), bar);
      list.append(li);
    });
    page.body(panel.id).replaceChildren(list);
  }

  function nothing(panel, page) {
    forget(panel.id);
    page.body(panel.id).replaceChildren(make("span", page.words.nothing, "empty"));
  }

  const plots = new Map();
  function forget(id) {
    const old = plots.get(id);
    if (old) { old.watch.disconnect(); old.plot.destroy(); plots.delete(id); }
  }

  const steps = { hour: 3600, day: 86400 };
  // The answer has no rows for buckets in which nothing happened: a count was 0 there, and a ratio has no value.
  function gapless(times, by) {
    const step = steps[by], out = [];
    for (const t of times) {
      for (let n = out.length && out[out.length - 1] + step; step && n && t - n > step / 2; n += step) out.push(n);
      out.push(t);
    }
    return out;
  }

  const moment = (x, by) => by === "time" ? x / 1000 : by === "week" ? weekStart(x) : by === "month" || by === "period" ? local(x + "-01") : by === "day" ? local(x) : Date.parse(x) / 1000;
  // local midnight of a date in the reporting zone, in Unix seconds.
  function local(day) {
    const guess = Date.parse(day + "T00:00:00Z");
    const parts = Object.fromEntries(new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).formatToParts(guess).map((p) => [p.type, p.value]));
    const shown = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second);
    return (guess - (shown - guess)) / 1000;
  }
  const midnight = (ms) => local(clock.format(new Date(ms)).slice(0, 10));
  function weekStart(w) {
    const [y, n] = w.split("-W").map(Number), jan4 = new Date(Date.UTC(y, 0, 4));
    const monday = Date.UTC(y, 0, 4) - ((jan4.getUTCDay() + 6) % 7) * 864e5 + (n - 1) * 7 * 864e5;
    return local(new Date(monday).toISOString().slice(0, 10));
  }

  function trend(panel, data, page) {
    const by = data.by || "time";
    const lines = data.series ? data.series.map((s) => ({ name: s, title: page.line(s), unit: panel.unit })) : panel.columns.filter((c) => c.unit !== "time");
    const at = new Map(data.rows.map((r) => [moment(r[0], by), r]));
    const times = gapless([...at.keys()].filter(Number.isFinite).sort((a, b) => a - b), by);
    if (!times.length) return nothing(panel, page);
    const values = lines.map((c, i) => times.map((t) => {
      const row = at.get(t), v = row ? row[i + 1] : undefined;
      if (v === null || v === undefined) return countUnits.includes(c.unit) ? 0 : null;
      return v;
    }));
    const marks = page.annotations();
    const key = JSON.stringify([lines.map((c) => c.name), by, colour("--ink"), panel.bars]);
    const old = plots.get(panel.id);
    if (old && old.key === key) {
      Object.assign(old.live, { times, marks, by, span: page.span() });
      old.plot.setData([times, ...values]);
      old.holder.setAttribute("aria-label", page.say("chart", { title: panel.title, n: times.length }));
      return;
    }
    forget(panel.id);
    const unit = lines[0] ? lines[0].unit : panel.unit, target = lines.length === 1 ? lines[0].target : undefined;
    const live = { times, marks, by, span: page.span() }, legend = make("ul", undefined, "legend"), shown = [];
    lines.forEach((c, i) => {
      const li = make("li"), dot = make("i"), v = make("b");
      dot.style.background = "var(" + palette[i % palette.length] + ")";
      li.append(dot, c.title + " ", v);
      legend.append(li);
      shown.push(v);
    });
    const when = make("li", "", "when");
    legend.append(when);
    const holder = make("div", undefined, "chart");
    holder.setAttribute("role", "img");
    holder.setAttribute("aria-label", page.say("chart", { title: panel.title, n: times.length }));
    page.body(panel.id).replaceChildren(legend, holder);
    const strokes = lines.map((_, i) => colour(palette[i % palette.length]));
    const faint = (c, a) => c.replace(/^rgb\(([^)]*)\)$/, "rgba($1, " + a + ")");
    const dim = colour("--dim"), grid = colour("--line"), bad = colour("--bad"), mark = { alerts: bad, stops: colour("--c2"), policy: colour("--c3"), deploys: colour("--c4") };
    const axis = { stroke: dim, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const bars = panel.bars && window.uPlot.paths.bars({ size: [0.7, 40], align: by === "time" ? 0 : 1 });
    const plot = new uPlot({
      width: holder.clientWidth || 400, height: 200, tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), zone), legend: { show: false },
      cursor: { y: false, points: { size: 6 } },
      scales: { x: { range: () => wide(live) }, y: { range: (_u, _lo, hi) => [0, high(hi || 0, unit, target) * 1.1] } },
      axes: [{ ...axis, gap: 9, incrs: ticks[by], values: axisTimes() }, { ...axis, size: 62, incrs: incrs(unit), values: (_u, vs) => vs.map((v) => short(v, unit)) }],
      series: [{}, ...lines.map((c, i) => ({ label: c.title, stroke: strokes[i], width: bars ? 1 : 2, fill: bars ? faint(strokes[i], 0.85) : lines.length === 1 ? faint(strokes[i], 0.1) : undefined,
        points: { show: !bars && times.length < 40, size: 5 }, paths: bars || undefined, spanGaps: false }))],
      hooks: {
        draw: [(u) => {
          const { left, top, width, height } = u.bbox, ctx = u.ctx;
          ctx.save();
          ctx.beginPath(); ctx.rect(left, top, width, height); ctx.clip();
          ctx.lineWidth = devicePixelRatio;
          for (const m of live.marks) {
            const x = Math.round(u.valToPos(m.at / 1000, "x", true));
            if (x < left || x > left + width) continue;
            ctx.strokeStyle = ctx.fillStyle = mark[m.kind] || dim;
            ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
            ctx.beginPath(); ctx.moveTo(x, top); ctx.lineTo(x, top + height); ctx.stroke();
            ctx.setLineDash([]);
            ctx.beginPath(); ctx.moveTo(x - 4 * devicePixelRatio, top); ctx.lineTo(x + 4 * devicePixelRatio, top); ctx.lineTo(x, top + 6 * devicePixelRatio); ctx.fill();
          }
          if (target !== undefined) {
            const y = Math.round(u.valToPos(target, "y", true));
            ctx.strokeStyle = bad;
            ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
            ctx.beginPath(); ctx.moveTo(left, y); ctx.lineTo(left + width, y); ctx.stroke();
          }
          ctx.restore();
        }],
        setCursor: [(u) => {
          const i = u.cursor.idx;
          if (i === null || i === undefined || u.cursor.left < 0) { shown.forEach((b) => { b.textContent = ""; }); when.textContent = ""; return; }
          lines.forEach((c, n) => { shown[n].textContent = show(u.data[n + 1][i], c.unit); });
          const t = u.data[0][i], near = live.marks.find((m) => Math.abs(u.valToPos(m.at / 1000, "x") - u.cursor.left) < 6);
          when.textContent = clock.format(new Date(t * 1000)) + (near ? " · " + near.title + ": " + near.text : "");
        }],
      },
    }, [times, ...values], holder);
    if (panel.which && by !== "time") {
      holder.classList.add("clickable");
      plot.over.addEventListener("click", () => {
        const i = plot.cursor.idx;
        if (i === null || i === undefined) return;
        const begin = live.times[i], next = live.times[i + 1] || begin + (steps[live.by] || 7 * 86400);
        location.href = page.callsLink(panel.which, {}, [begin * 1000, Math.min(next * 1000, Date.now())]);
      });
    }
    const watch = new ResizeObserver(() => { if (holder.clientWidth) plot.setSize({ width: holder.clientWidth, height: 200 }); });
    watch.observe(holder);
    plots.set(panel.id, { plot, key, live, holder, watch });
  }

  // wide is from when to when a chart reaches: over what was asked for, so that charts of a page stand below each other; one
  // of the process's own figures, or of another listing, as far as it has any.
  function wide({ times, by, span }) {
    const first = times[0], last = times[times.length - 1];
    if (by === "time") return [last > first ? first : last - 3600, last];
    const [from, to] = by === "hour" ? [Math.floor(span[0] / 36e5) * 3600, Math.ceil(span[1] / 36e5) * 3600] : [midnight(span[0]), midnight(span[1]) + 86400];
    return [Math.min(from, first), Math.max(to, last + (steps[by] || 7 * 86400))];
  }

  // high is how far up it reaches: to its line where that is near, and never to nothing.
  function high(most, unit, target) {
    if (most <= 0) return target || (unit === "ratio" ? 0.1 : 1);
    return Math.max(most, target < 4 * most ? target : 0, countUnits.includes(unit) ? 1 : 0);
  }

  const days = [1, 2, 3, 4, 5, 7, 10, 15, 30, 60, 90, 120, 180, 365].map((n) => n * 86400);
  const minutes = [1, 2, 5, 10, 15, 30].map((n) => n * 60).concat([1, 2, 3, 4, 6, 8, 12].map((n) => n * 3600), days);
  const ticks = { time: minutes, hour: [1, 2, 3, 4, 6, 8, 12].map((n) => n * 3600).concat(days), day: days, week: days, month: days, period: days };

  function short(v, unit) {
    if (unit === "ratio") return +(v * 100).toFixed(2) + " %";
    if (unit === "seconds") return v < 1 && v > 0 ? +(v * 1000).toFixed(2) + " ms" : v >= 120 ? Math.round(v / 60) + " min" : +v.toFixed(2) + " s";
    if (Math.abs(v) >= 1e6) return decimal.format(v / 1e6) + " M";
    if (Math.abs(v) >= 1e4) return decimal.format(v / 1e3) + " k";
    return fine.format(v);
  }

  function incrs(unit) {
    if (countUnits.includes(unit)) return [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 1e7, 1e8];
    if (unit === "seconds") return [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
    return undefined;
  }

  function axisTimes() {
    const hm = new Intl.DateTimeFormat(lang, { timeZone: zone, hour: "2-digit", minute: "2-digit", hour12: false }), md = new Intl.DateTimeFormat(lang, { timeZone: zone, month: "short", day: "numeric" });
    return (_u, splits, _axis, _space, incr) => {
      let last = "";
      return splits.map((t) => {
        const d = new Date(t * 1000), day = md.format(d);
        if (incr >= 86400) return day;
        const text = day === last ? hm.format(d) : hm.format(d) + "\n" + day;
        last = day;
        return text;
      });
    };
  }

  return { draw: { stat, trend, breakdown: cells, listing: cells, funnel }, show, make, forget, clock };
})();
