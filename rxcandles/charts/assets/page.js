// Draws the candles of one series. Time is counted in slots of its timeframe from its first one; a level puts `factor`
// slots into one bar, and bar k of it holds the slots from k * factor - phase on. What is seen is `view`, in slots;
// everything else follows from it.
"use strict";
(async () => {
  const meta = JSON.parse(document.getElementById("meta").textContent);
  const base = columns(await unpacked(document.getElementById("data").textContent));
  const proven = sums(meta.proven), doubted = sums(meta.provisional);
  const levels = meta.levels.map(() => null);
  const root = document.getElementById("chart");
  const state = (window.rxcandles = {
    candles: meta.candles, slots: meta.slots, levels: meta.levels.map((each) => each.name), bars: bars, known: known,
    show: show, view: null, width: null, level: null, range: null, visible: null, crosshair: null,
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

  /** Number of slots in `[first, last)` that are empty by the word of answers that may have been wrong. */
  function provisionalIn(first, last) {
    return before(doubted, last) - before(doubted, first);
  }

  /** The bars of a level that have candles: true open, high, low, close and sums of what was traded in each. */
  function bars(number) {
    if (levels[number]) return levels[number];
    const { factor, phase } = meta.levels[number];
    const bar = [], open = [], high = [], low = [], close = [], volume = [], count = [];
    for (let i = 0, at = -1; i < meta.candles; i++) {
      const k = Math.floor((base.slot[i] + phase) / factor);
      if (at < 0 || bar[at] !== k) {
        at++;
        bar.push(k); open.push(base.open[i]); high.push(base.high[i]); low.push(base.low[i]); close.push(base.close[i]);
        volume.push(base.volume[i]); count.push(1);
      } else {
        if (base.high[i] > high[at]) high[at] = base.high[i];
        if (base.low[i] < low[at]) low[at] = base.low[i];
        close[at] = base.close[i];
        volume[at] += base.volume[i];
        count[at]++;
      }
    }
    levels[number] = { bar: bar, open: open, high: high, low: low, close: close, volume: volume, count: count };
    return levels[number];
  }

  function opens(number, k) {
    const slot = k * meta.levels[number].factor - meta.levels[number].phase;
    return meta.opens ? meta.opens[Math.max(slot, 0)] : meta.first + slot * meta.seconds;
  }

  // Drawing

  const { createChart, CandlestickSeries, HistogramSeries } = LightweightCharts;
  const withSeconds = meta.seconds && meta.seconds < 60;
  const moment = (time) => new Date(time * 1000).toISOString().slice(0, withSeconds ? 19 : 16).replace("T", " ");
  const price = (value) => value.toLocaleString("en-US", { maximumFractionDigits: meta.decimals });
  const amount = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 8 });
  const exact = (value) => value.toLocaleString("en-US", { minimumFractionDigits: meta.decimals, maximumFractionDigits: meta.decimals });
  const quiet = { lastValueVisible: false, priceLineVisible: false };
  const full = { ...quiet, priceScaleId: "", base: 0, autoscaleInfoProvider: () => ({ priceRange: { minValue: 0, maxValue: 1 } }) };

  const chart = createChart(root, {
    autoSize: true, handleScroll: false, handleScale: false,
    layout: { attributionLogo: false, panes: { enableResize: false } },
    localization: { locale: "en-GB", timeFormatter: moment },
    crosshair: { mode: 0 },
    timeScale: { timeVisible: !meta.opens && meta.seconds < 86400, secondsVisible: withSeconds, minBarSpacing: 0.01 },
  });
  const candles = chart.addSeries(CandlestickSeries,
    { ...quiet, priceFormat: { type: "custom", formatter: exact, minMove: 10 ** -meta.decimals } }, 0);
  const volume = chart.addSeries(HistogramSeries, { ...quiet, priceFormat: { type: "volume" } }, 1);
  const missing = chart.addSeries(HistogramSeries, full, 2);
  const provisional = chart.addSeries(HistogramSeries, full, 2);
  const noTrade = chart.addSeries(HistogramSeries, full, 2);
  const stored = chart.addSeries(HistogramSeries, full, 2);
  [0.76, 0.19, 0.05].forEach((share, at) => chart.panes()[at].setStretchFactor(share));
  for (const each of [missing, provisional, noTrade, stored]) each.priceScale().applyOptions({ scaleMargins: { top: 0, bottom: 0 } });

  let colours = {};
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function paint() {
    const of = getComputedStyle(document.documentElement);
    const colour = (name) => of.getPropertyValue("--" + name).trim();
    colours = { up: colour("up") + "99", down: colour("down") + "99" };
    const line = { color: colour("line") };
    const label = { labelBackgroundColor: colour("label") };
    chart.applyOptions({
      layout: { background: { color: colour("back") }, textColor: colour("text"), panes: { separatorColor: line.color } },
      grid: { vertLines: line, horzLines: line },
      crosshair: { vertLine: label, horzLine: label },
      timeScale: { borderColor: line.color }, rightPriceScale: { borderColor: line.color },
    });
    const [up, down] = [colour("up"), colour("down")];
    candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false });
    missing.applyOptions({ color: colour("missing") });
    provisional.applyOptions({ color: colour("provisional") });
    noTrade.applyOptions({ color: colour("no-trade") });
    stored.applyOptions({ color: colour("stored") });
    held = null;
  }

  /** The bars `[start, stop)` of a level that the chart holds: some screens around what is seen. */
  let held = null;

  function fill(number, start, stop) {
    const { factor, phase } = meta.levels[number];
    const data = bars(number);
    const rows = { candles: [], volume: [], missing: [], provisional: [], noTrade: [], stored: [] };
    let at = below(data.bar, start);
    for (let k = start; k < stop; k++) {
      const time = opens(number, k);
      const first = Math.max(0, k * factor - phase), last = Math.min(meta.slots, (k + 1) * factor - phase);
      const there = data.bar[at] === k;
      const count = there ? data.count[at] : 0;
      const proved = Math.max(count, known(last) - known(first));
      const sure = Math.max(count, known(last) - known(first) - provisionalIn(first, last));
      // One on top of the other, so that the shares of the slots add up to the whole; however little is missing or not
      // sure, it shows.
      const whole = last - first, top = proved < whole ? 0.8 : 1, most = sure < proved ? top - 0.2 : top;
      if (proved < whole) rows.missing.push({ time: time, value: 1 });
      if (sure < proved) rows.provisional.push({ time: time, value: Math.min(proved / whole, top) });
      if (count < sure) rows.noTrade.push({ time: time, value: Math.min(sure / whole, most) });
      if (there) {
        rows.stored.push({ time: time, value: Math.min(count / whole, most) });
        rows.candles.push({ time: time, open: data.open[at], high: data.high[at], low: data.low[at], close: data.close[at] });
        rows.volume.push({ time: time, value: data.volume[at], color: data.close[at] < data.open[at] ? colours.down : colours.up });
        at++;
      } else {
        rows.candles.push({ time: time });
      }
    }
    candles.setData(rows.candles);
    volume.setData(rows.volume);
    missing.setData(rows.missing);
    provisional.setData(rows.provisional);
    noTrade.setData(rows.noTrade);
    stored.setData(rows.stored);
    held = { number: number, start: start, stop: stop };
  }

  function draw() {
    drawn = null;
    const width = Math.max(chart.timeScale().width(), 100);
    const { from, to } = state.view;
    // The finest level whose bars are wide enough to be told apart.
    let number = meta.levels.findIndex((each) => (width * each.factor) / (to - from) >= 3);
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
  }

  chart.subscribeCrosshairMove((event) => {
    state.crosshair = event.point && held && event.logical !== undefined ? valuesAt(held.number, held.start + Math.round(event.logical)) : null;
    document.getElementById("values").textContent = state.crosshair ? told(state.crosshair) : "";
  });

  function valuesAt(number, k) {
    const { factor, phase } = meta.levels[number];
    const first = Math.max(0, k * factor - phase), last = Math.min(meta.slots, (k + 1) * factor - phase);
    if (first >= last) return null;
    const data = bars(number), at = below(data.bar, k);
    const found = { time: opens(number, k), missing: Math.max(0, last - first - (known(last) - known(first))),
      provisional: provisionalIn(first, last) };
    if (data.bar[at] !== k) return found;
    return { ...found, open: data.open[at], high: data.high[at], low: data.low[at], close: data.close[at], volume: data.volume[at] };
  }

  function told(at) {
    const values = at.open === undefined ? (at.missing ? "missing" : at.provisional ? "empty by one answer" : "no trade")
      : `O ${price(at.open)}  H ${price(at.high)}  L ${price(at.low)}  C ${price(at.close)}  V ${amount(at.volume)}`;
    return `${moment(at.time)}  ${values}${at.open !== undefined && at.missing ? `  (${at.missing.toLocaleString("en-US")} slots missing)` : ""}`;
  }

  // Moving

  let drawn = null;
  function show(from, to) {
    const length = Math.min(Math.max(to - from, 10), Math.max(meta.slots * 1.05, 12));
    const middle = Math.min(Math.max((from + to) / 2, 0), meta.slots);
    state.view = { from: middle - length / 2, to: middle + length / 2 };
    drawn ??= requestAnimationFrame(draw);
  }
  const all = () => show(-0.01 * meta.slots, 1.01 * meta.slots);
  const pan = (slots) => show(state.view.from + slots, state.view.to + slots);
  const length = () => state.view.to - state.view.from;

  /** Make what is seen `times` as long; what is at `share` of the width stays there. */
  function zoom(times, share) {
    const wanted = Math.min(Math.max(length() * times, 10), Math.max(meta.slots * 1.05, 12));
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
