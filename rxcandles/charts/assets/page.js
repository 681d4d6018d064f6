// Draws the candles of one series. Time is counted in slots of its timeframe from its first one; a level puts `factor`
// slots into one bar, and bar k of it holds the slots from k * factor - phase on. What is seen is `view`, in slots;
// everything else follows from it.
"use strict";
(async () => {
  const meta = JSON.parse(document.getElementById("meta").textContent);
  const base = columns(await unpacked(document.getElementById("data").textContent));
  const proven = sums(meta.proven), doubted = sums(meta.provisional), impossible = sums(meta.impossible);
  // These count candles, by their places in the columns.
  const imported = sums(meta.imported);
  const within = sums(meta.proven.map((span) => span.map((slot) => below(base.slot, slot))));
  const levels = meta.levels.map(() => null);
  const root = document.getElementById("chart");
  const state = (window.rxcandles = {
    candles: meta.candles, slots: meta.slots, levels: meta.levels.map((each) => each.name), bars: bars, known: known,
    counts: counts, strip: where, show: show, view: null, width: null, level: null, range: null, visible: null, crosshair: null,
  });

  // Data

  async function unpacked(text) {
    const packed = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }

  function columns(buffer) {
    let at = 0;
    const next = (kind) => {
      const column = new kind(buffer, at, meta.candles);
      at += column.byteLength;
      return column;
    };
    // Doubles first: they must begin at a multiple of eight.
    const volume = next(Float64Array);
    const slot = new Float64Array(meta.candles);
    if (meta.scale === null) {
      const found = { volume: volume, slot: slot };
      for (const name of ["open", "high", "low", "close"]) found[name] = next(Float64Array);
      accumulate(next(Uint32Array), slot);
      return found;
    }
    const [steps, opens, highs, lows, closes] =
      [Uint32Array, Int32Array, Int32Array, Int32Array, Int32Array].map(next);
    const [open, high, low, close] = [0, 1, 2, 3].map(() => new Float64Array(meta.candles));
    accumulate(steps, slot);
    for (let i = 0, last = meta.base; i < meta.candles; i++) {
      // A whole number through a power of ten is the double nearest to that decimal, as it was in the exchange's answer.
      const first = last + opens[i];
      open[i] = first / meta.scale;
      high[i] = (first + highs[i]) / meta.scale;
      low[i] = (first + lows[i]) / meta.scale;
      last = first + closes[i];
      close[i] = last / meta.scale;
    }
    return { volume: volume, slot: slot, open: open, high: high, low: low, close: close };
  }

  function accumulate(steps, into) {
    for (let i = 0, sum = 0; i < steps.length; i++) into[i] = sum += steps[i];
  }

  function sums(spans) {
    const starts = [], stops = [], before = [];
    let sum = 0;
    for (const [start, stop] of spans) {
      starts.push(start); stops.push(stop); before.push(sum);
      sum += stop - start;
    }
    return { starts: starts, stops: stops, before: before };
  }

  /** Number of values in ascending `values` that are less than `value`. */
  function below(values, value) {
    let low = 0, high = values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] < value) low = middle + 1; else high = middle;
    }
    return low;
  }

  /** Number of slots of `spans` before `slot`. */
  function before(spans, slot) {
    const at = below(spans.starts, slot) - 1;
    return at < 0 ? 0 : spans.before[at] + Math.min(slot, spans.stops[at]) - spans.starts[at];
  }

  /** Number of proven slots before `slot`. */
  function known(slot) {
    return before(proven, slot);
  }

  const KINDS = ["stored", "imported", "no-trade", "provisional", "missing", "impossible"];

  /** Slots of each of `KINDS` before `slot`, which may be within one. */
  function upTo(slot) {
    const whole = Math.floor(slot), at = below(base.slot, whole);
    const part = base.slot[at] === whole ? slot - whole : 0;
    const of = (spans) => before(spans, at) + (part && part * (before(spans, at + 1) - before(spans, at)));
    const held = at + part, foreign = of(imported), known = before(proven, slot), empty = known - of(within);
    const doubtful = before(doubted, slot), wrong = before(impossible, slot);
    return [held - foreign, foreign, empty - doubtful, doubtful, slot - held - empty - wrong, wrong];
  }

  /** The same from `first` to `last`, which are of this kind. */
  function between(first, last) {
    // What adds up to nothing does so but for the last digits.
    return last.map((count, at) => (count - first[at] > 1e-6 ? count - first[at] : 0));
  }

  /** The same of the slots `[first, last)`. */
  function counts(first, last) {
    [first, last] = [first, last].map((slot) => Math.min(Math.max(slot, 0), meta.slots));
    return between(upTo(first), upTo(last));
  }

  /** Number of slots in `[first, last)` that are empty by the word of answers that may have been wrong. */
  function provisionalIn(first, last) {
    return before(doubted, last) - before(doubted, first);
  }

  /** The bars of a level that have candles: true open, high, low, close and sums of what was traded in each. */
  function bars(number) {
    if (levels[number]) return levels[number];
    const { factor, phase } = meta.levels[number];
    const bar = [], open = [], high = [], low = [], close = [], volume = [], count = [], foreign = [];
    for (let i = 0, at = -1; i < meta.candles; i++) {
      const k = Math.floor((base.slot[i] + phase) / factor);
      if (at < 0 || bar[at] !== k) {
        at++;
        bar.push(k); open.push(base.open[i]); high.push(base.high[i]); low.push(base.low[i]); close.push(base.close[i]);
        volume.push(base.volume[i]); count.push(1); foreign.push(before(imported, i));
      } else {
        if (base.high[i] > high[at]) high[at] = base.high[i];
        if (base.low[i] < low[at]) low[at] = base.low[i];
        close[at] = base.close[i];
        volume[at] += base.volume[i];
        count[at]++;
      }
    }
    // How many of a bar's candles were imported: of all before the next bar's first, less those before its own.
    for (let at = 0; at < foreign.length; at++) foreign[at] = (foreign[at + 1] ?? before(imported, meta.candles)) - foreign[at];
    levels[number] = { bar: bar, open: open, high: high, low: low, close: close, volume: volume, count: count, imported: foreign };
    return levels[number];
  }

  function opens(number, k) {
    const slot = k * meta.levels[number].factor - meta.levels[number].phase;
    return meta.opens ? meta.opens[Math.max(slot, 0)] : meta.first + slot * meta.seconds;
  }

  // Drawing

  const WIDE = 4; // pixels of a bar: a body of three, and one between two
  const { createChart, CandlestickSeries, HistogramSeries } = LightweightCharts;
  const withSeconds = meta.seconds && meta.seconds < 60;
  const moment = (time) => new Date(time * 1000).toISOString().slice(0, withSeconds ? 19 : 16).replace("T", " ");
  const korean = (time) => {
    const there = moment(time + 9 * 3600);
    return there.slice(0, 10) === moment(time).slice(0, 10) ? there.slice(11) : there.slice(5);
  };
  const there = meta.zone && new Intl.DateTimeFormat("sv-SE", {
    timeZone: meta.zone, dateStyle: "short", timeStyle: withSeconds ? "medium" : "short",
  });
  const elsewhere = (time) => (there ? `${there.format(new Date(time * 1000))} ${meta.zone}` : `${korean(time)} KST`);
  const price = (value) => value.toLocaleString("en-US", { maximumFractionDigits: meta.decimals });
  const amount = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 8 });
  const exact = (value) => value.toLocaleString("en-US", { minimumFractionDigits: meta.decimals, maximumFractionDigits: meta.decimals });
  const quiet = { lastValueVisible: false, priceLineVisible: false };

  const chart = createChart(root, {
    autoSize: true, handleScroll: false, handleScale: false,
    layout: { attributionLogo: false, panes: { enableResize: false } },
    localization: { locale: "en-GB", timeFormatter: moment },
    crosshair: { mode: 0 },
    timeScale: { timeVisible: !meta.opens && meta.seconds < 86400, secondsVisible: withSeconds, minBarSpacing: 0.01 },
  });
  const candles = chart.addSeries(CandlestickSeries,
    { ...quiet, lastValueVisible: true, priceFormat: { type: "custom", formatter: exact, minMove: 10 ** -meta.decimals } }, 0);
  const volume = chart.addSeries(HistogramSeries, { ...quiet, priceFormat: { type: "volume" } }, 1);
  chart.addPane(true);
  [0.76, 0.19, 0.05].forEach((share, at) => chart.panes()[at].setStretchFactor(share));

  let colours = {};
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function paint() {
    const of = getComputedStyle(document.documentElement);
    const colour = (name) => of.getPropertyValue("--" + name).trim();
    colours = { up: colour("up") + "99", down: colour("down") + "99", foreignUp: colour("imported-up"), foreignDown: colour("imported-down") };
    for (const kind of KINDS) colours[kind] = colour(kind);
    const line = { color: colour("line") };
    const label = { labelBackgroundColor: colour("label") };
    chart.applyOptions({
      layout: { background: { color: colour("back") }, textColor: colour("text"), panes: { separatorColor: line.color } },
      grid: { vertLines: line, horzLines: line },
      crosshair: { vertLine: label, horzLine: label },
      timeScale: { borderColor: line.color }, rightPriceScale: { borderColor: line.color, entireTextOnly: true },
    });
    const [up, down] = [colour("up"), colour("down")];
    candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false });
    held = null;
  }

  /** The bars `[start, stop)` of a level that the chart holds: some screens around what is seen. */
  let held = null;

  function fill(number, start, stop) {
    const data = bars(number);
    const rows = { candles: [], volume: [] };
    let at = below(data.bar, start);
    for (let k = start; k < stop; k++) {
      const time = opens(number, k);
      if (data.bar[at] !== k) {
        rows.candles.push({ time: time });
        continue;
      }
      const falls = data.close[at] < data.open[at];
      const candle = { time: time, open: data.open[at], high: data.high[at], low: data.low[at], close: data.close[at] };
      let colour = falls ? colours.down : colours.up;
      if (data.imported[at]) {
        colour = falls ? colours.foreignDown : colours.foreignUp;
        candle.color = candle.wickColor = colour;
      }
      rows.candles.push(candle);
      rows.volume.push({ time: time, value: data.volume[at], color: colour });
      at++;
    }
    candles.setData(rows.candles);
    volume.setData(rows.volume);
    held = { number: number, start: start, stop: stop };
  }

  // The strip has a canvas of its own between those of its pane, whose pixels are the screen's, wherever it is.
  let canvas = null;

  /** Lay the strip's canvas over its pane, by whole pixels of the screen; return where they begin there. */
  function laid() {
    if (!canvas) {
      const first = chart.panes()[2].getHTMLElement()?.querySelector("canvas");
      if (!first) return null;
      canvas = document.createElement("canvas");
      canvas.style.cssText = "position: absolute; z-index: 1; pointer-events: none; image-rendering: pixelated;";
      first.after(canvas);
      new ResizeObserver(() => show(state.view.from, state.view.to)).observe(first.parentElement);
    }
    const place = canvas.parentElement.getBoundingClientRect(), ratio = window.devicePixelRatio;
    const [left, top, right, bottom] = [place.left, place.top, place.right, place.bottom].map((edge) => Math.round(edge * ratio));
    const size = { left: left / ratio - place.left, top: top / ratio - place.top, width: (right - left) / ratio, height: (bottom - top) / ratio };
    // The browser cuts lengths to 64ths of a pixel, so thirds come out a little less: round them, and mix no colours.
    for (const [name, pixels] of Object.entries(size)) canvas.style[name] = `${Math.round(pixels * 64) / 64}px`;
    if (canvas.width !== right - left) canvas.width = right - left;
    if (canvas.height !== bottom - top) canvas.height = bottom - top;
    return size.left;
  }

  /** Where on the page the strip is: left, top, right, bottom. */
  function where() {
    const place = canvas.getBoundingClientRect();
    return [place.left, place.top, place.right, place.bottom];
  }

  /** Draw the strip of coverage: each column of pixels is divided as the slots are that it stands for.
   *
   * Columns meet at the edges of pixels, and what of a share is no whole pixel goes over to the next column: so the area
   * of a colour is its share, at any width, and nothing is drawn larger than it is.
   */
  function strip() {
    const left = laid();
    if (left === null) return;
    const context = canvas.getContext("2d"), { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    const step = (state.view.to - state.view.from) / (state.width * window.devicePixelRatio);
    const from = state.view.from + left * window.devicePixelRatio * step;
    const rest = KINDS.map(() => 0);
    const clamped = (slot) => Math.min(Math.max(slot, 0), meta.slots);
    let slot = clamped(from), first = upTo(slot), begun = 0, run = null;
    const flush = (end) => {
      for (let at = 0, y = height; run && at < run.length; at++) {
        if (!run[at]) continue;
        context.fillStyle = colours[KINDS[at]];
        context.fillRect(begun, y -= run[at], end - begun, run[at]);
      }
    };
    for (let x = 0; x < width; x++) {
      const next = clamped(from + (x + 1) * step), last = upTo(next), slots = next - slot;
      const pixels = slots > 0 ? divided(between(first, last), (height * slots) / step, height, rest) : null;
      if (!pixels || !run || pixels.some((count, at) => count !== run[at])) {
        flush(x);
        begun = x;
        run = pixels;
      }
      slot = next;
      first = last;
    }
    flush(width);
  }

  /** Return `counts` as whole pixels, `room` of them in all and at most `most`; `rest` is what is owed from before. */
  function divided(counts, room, most, rest) {
    const slots = counts.reduce((sum, count) => sum + count, 0);
    const alone = counts.findIndex((count) => count === slots);
    if (alone >= 0 && Math.abs(room - most) < 1e-6) {
      // As nearly everywhere: all of one kind.
      return counts.map((_, at) => (at === alone ? most : 0));
    }
    const wanted = counts.map((count, at) => (count * room) / slots + rest[at]);
    const pixels = wanted.map((value, at) => (counts[at] > 0 ? Math.max(0, Math.floor(value + 1e-9)) : 0));
    let left = Math.min(most, Math.round(room)) - pixels.reduce((sum, count) => sum + count, 0);
    for (; left; left -= Math.sign(left)) {
      let best = -1;
      for (let at = 0; at < counts.length; at++) {
        if (counts[at] <= 0 || (left < 0 && !pixels[at])) continue;
        if (best < 0 || Math.sign(left) * (wanted[at] - pixels[at] - wanted[best] + pixels[best]) > 0) best = at;
      }
      if (best < 0) break;
      pixels[best] += Math.sign(left);
    }
    for (let at = 0; at < counts.length; at++) rest[at] = wanted[at] - pixels[at];
    return pixels;
  }

  /** Tell beside each kind which share of what is seen it has. */
  function tellShares() {
    const found = counts(state.view.from, state.view.to), slots = found.reduce((sum, count) => sum + count, 0);
    state.shares = Object.fromEntries(KINDS.map((kind, at) => [kind, slots ? found[at] / slots : 0]));
    for (const kind of KINDS) {
      const share = state.shares[kind] * 100;
      const text = `${share > 0 && share < 0.1 ? "<0.1" : share < 100 && share > 99.9 ? ">99.9" : share.toFixed(1)} %`;
      const label = document.getElementById(kind), value = label.lastElementChild;
      if (value.textContent === text) continue;
      label.hidden = share === 0;
      value.textContent = text;
    }
  }

  function draw() {
    drawn = null;
    const width = Math.max(chart.timeScale().width(), 100);
    const { from, to } = state.view;
    // The finest level whose bars are wide enough for the body of a candle to be seen.
    let number = meta.levels.findIndex((each) => (width * each.factor) / (to - from) >= WIDE);
    if (number < 0) number = meta.levels.length - 1;
    const { factor, phase } = meta.levels[number];
    const left = (from + phase) / factor, right = (to + phase) / factor;
    const end = Math.floor((meta.slots - 1 + phase) / factor) + 1;
    const start = Math.max(0, Math.floor(left)), stop = Math.min(end, Math.ceil(right));
    if (!held || held.number !== number || start < held.start || stop > held.stop) {
      const margin = 2 * Math.ceil(right - left);
      fill(number, Math.max(0, start - margin), Math.min(end, stop + margin));
    }
    // The chart counts bars from the first it holds, each reaching half a bar to both sides.
    chart.timeScale().setVisibleLogicalRange({ from: left - held.start, to: right - 1 - held.start });
    const data = bars(number);
    state.width = width;
    state.level = meta.levels[number].name;
    state.range = [moment(opens(number, start)), moment(opens(number, Math.max(start, stop - 1)))];
    state.visible = below(data.bar, stop) - below(data.bar, start);
    document.getElementById("level").textContent = number ? `each bar ${state.level}` : "";
    strip();
    tellShares();
    tell();
  }

  chart.subscribeCrosshairMove((event) => {
    state.crosshair = event.point && held && event.logical !== undefined ? valuesAt(held.number, held.start + Math.round(event.logical)) : null;
    tell();
  });

  /** Tell the values under the crosshair, or those of the last candle. */
  let said = null;
  function tell() {
    const last = bars(0).bar.at(-1);
    const at = state.crosshair ?? (last === undefined ? null : { ...valuesAt(0, last), last: true });
    // What belongs together stays on one line.
    const text = at ? told(at) : "";
    if (text === said) return;
    said = text;
    const parts = text.split(/(  |\n)/).map((text, place) => {
      const part = document.createElement("span");
      part.textContent = text;
      part.className = place % 2 ? "" : "whole";
      return part;
    });
    document.getElementById("values").replaceChildren(...parts);
  }

  function valuesAt(number, k) {
    const { factor, phase } = meta.levels[number];
    const first = Math.max(0, k * factor - phase), last = Math.min(meta.slots, (k + 1) * factor - phase);
    if (first >= last) return null;
    const data = bars(number), at = below(data.bar, k);
    const found = { time: opens(number, k), missing: Math.max(0, last - first - (known(last) - known(first))),
      provisional: provisionalIn(first, last), impossible: before(impossible, last) - before(impossible, first) };
    if (data.bar[at] !== k) return found;
    return { ...found, open: data.open[at], high: data.high[at], low: data.low[at], close: data.close[at], volume: data.volume[at],
      imported: data.imported[at] };
  }

  function told(at) {
    const values = at.open === undefined ? (at.impossible ? "impossible: the exchange's candle can't be true" : at.missing ? "missing" : at.provisional ? "empty by one answer" : meta.absent)
      : `O ${price(at.open)}  H ${price(at.high)}  L ${price(at.low)}  C ${price(at.close)}  V ${amount(at.volume)}`;
    const missing = Math.max(0, at.missing - (at.imported ?? 0));
    const more = at.open === undefined ? [] : [
      ...(at.imported ? ["imported"] : []), ...(missing ? [`${missing.toLocaleString("en-US")} slots missing`] : []),
    ];
    const times = `${at.last ? "last " : ""}${moment(at.time)} UTC, ${elsewhere(at.time)}`;
    return `${times}\n${values}${more.length ? `  (${more.join(", ")})` : ""}`;
  }

  // Moving

  let drawn = null;
  function show(from, to) {
    const length = Math.min(Math.max(to - from, 10), Math.max(meta.slots * 1.2, 12));
    const middle = Math.min(Math.max((from + to) / 2, 0), meta.slots);
    state.view = { from: middle - length / 2, to: middle + length / 2 };
    drawn ??= requestAnimationFrame(draw);
  }
  /** Show all, with room beside it for half of a label of the axis. */
  function all() {
    const width = Math.max(chart.timeScale().width(), 100), margin = Math.max(0.01, 28 / width) * meta.slots;
    show(-margin, meta.slots + margin);
  }
  const pan = (slots) => show(state.view.from + slots, state.view.to + slots);
  const length = () => state.view.to - state.view.from;

  /** Make what is seen `times` as long; what is at `share` of the width stays there. */
  function zoom(times, share) {
    const wanted = Math.min(Math.max(length() * times, 10), Math.max(meta.slots * 1.2, 12));
    const from = state.view.from + share * (length() - wanted);
    show(from, from + wanted);
  }
  const share = (event) => (event.clientX - root.getBoundingClientRect().left) / chart.timeScale().width();

  root.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaMode ? 30 : 1;
    const across = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(across) > Math.abs(event.shiftKey ? 0 : event.deltaY)) pan((across * pixels * length()) / chart.timeScale().width());
    else zoom(Math.exp(Math.max(-400, Math.min(400, event.deltaY * pixels)) / 500), share(event));
  }, { passive: false });

  const fingers = new Map();
  root.addEventListener("pointerdown", (event) => event.button === 0 && fingers.set(event.pointerId, event));
  window.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    fingers.set(event.pointerId, event);
    if (fingers.size === 1) {
      pan(((before.clientX - event.clientX) * length()) / chart.timeScale().width());
    } else if (fingers.size === 2) {
      const [other] = [...fingers.values()].filter((each) => each.pointerId !== event.pointerId);
      const apart = (each) => Math.max(20, Math.abs(each.clientX - other.clientX));
      zoom(apart(before) / apart(event), (share(event) + share(other)) / 2);
    }
  });
  for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, (event) => fingers.delete(event.pointerId));
  root.addEventListener("dblclick", all);

  const keys = {
    ArrowLeft: () => pan(-0.15 * length()), ArrowRight: () => pan(0.15 * length()),
    PageUp: () => pan(-length()), PageDown: () => pan(length()),
    Home: () => show(0, length()), End: () => show(meta.slots - length(), meta.slots),
    "+": () => zoom(0.7, 0.5), "=": () => zoom(0.7, 0.5), "-": () => zoom(1 / 0.7, 0.5), 0: all,
  };
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  dark.addEventListener("change", () => { paint(); show(state.view.from, state.view.to); });
  // Also when the scale of prices takes more room for a longer number.
  chart.timeScale().subscribeSizeChange(() => show(state.view.from, state.view.to));

  paint();
  state.view = { from: 0, to: meta.slots };
  all();
})();
