// The chart of one series, with its strip of coverage: what is seen is `view`, in slots; everything else follows from it.
"use strict";

/** A chart in `root` that shows the series it is told to `use`; with `live` its last candle may still be forming. */
function candleChart(root, zone, live = false) {
  let series = null, meta = null, clock = null;
  const state = { use: use, show: show, strip: where, all: all, view: null, width: null, level: null, range: null, visible: null, crosshair: null };

  const WIDE = 4; // pixels of a bar: a body of three, and one between two
  const { createChart, CandlestickSeries, HistogramSeries } = LightweightCharts;
  const price = (value) => value.toLocaleString("en-US", { maximumFractionDigits: meta.decimals });
  const amount = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 8 });
  const exact = (value) => value.toLocaleString("en-US", { minimumFractionDigits: meta.decimals, maximumFractionDigits: meta.decimals });
  const quiet = { lastValueVisible: false, priceLineVisible: false };

  const chart = createChart(root, {
    autoSize: true, handleScroll: false, handleScale: false,
    layout: { attributionLogo: false, panes: { enableResize: false } },
    localization: { locale: "en-GB", timeFormatter: (time) => clock.moment(time) },
    crosshair: { mode: 0 },
    timeScale: { minBarSpacing: 0.01 },
  });
  const candles = chart.addSeries(CandlestickSeries, { ...quiet, lastValueVisible: true }, 0);
  const volume = chart.addSeries(HistogramSeries, { ...quiet, priceFormat: { type: "volume" } }, 1);
  chart.addPane(true);
  [0.76, 0.19, 0.05].forEach((share, at) => chart.panes()[at].setStretchFactor(share));

  /** Show `next`: as it has grown if it is the series shown, else from the beginning. */
  let seen = null;
  function use(next) {
    const before = seen, changed = before === null || before.symbol !== next.meta.symbol;
    const settings = JSON.stringify([next.meta.decimals, next.meta.seconds]);
    [series, meta, held] = [next, next.meta, null];
    seen = { symbol: meta.symbol, first: meta.first, end: series.end, settings: settings };
    if (before?.settings !== settings) {
      clock = clockOf(meta, zone);
      chart.timeScale().applyOptions({ timeVisible: meta.seconds > 0 && meta.seconds < 86400, secondsVisible: clock.withSeconds });
      candles.applyOptions({ priceFormat: { type: "custom", formatter: exact, minMove: 10 ** -meta.decimals } });
    }
    if (changed) {
      state.view = { from: 0, to: series.end };
      return all();
    }
    // What is seen stays, but for the newest candle, which is followed.
    const moved = slotsBetween(meta, meta.first, before.first);
    const grown = state.view.to >= before.end ? Math.max(0, series.end - before.end - moved) : 0;
    show(state.view.from + moved + grown, state.view.to + moved + grown);
  }

  let colours = {};
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function paint() {
    const of = getComputedStyle(document.documentElement);
    const colour = (name) => of.getPropertyValue("--" + name).trim();
    colours = { back: colour("back"), up: colour("up") + "99", down: colour("down") + "99", foreignUp: colour("imported-up"), foreignDown: colour("imported-down") };
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
    candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderUpColor: up, borderDownColor: down, borderVisible: live });
    held = null;
  }

  /** Whether the candle that is not closed yet is in a bar, which then is drawn hollow. */
  function isForming(number, k) {
    const { factor, phase } = meta.levels[number];
    return series.forming !== null && Math.floor((series.forming.slot + phase) / factor) === k;
  }

  /** The bars `[start, stop)` of a level that the chart holds: some screens around what is seen. */
  let held = null;

  function fill(number, start, stop) {
    const data = series.bars(number);
    const rows = { candles: [], volume: [] };
    let at = below(data.bar, start);
    for (let k = start; k < stop; k++) {
      const time = series.opens(number, k);
      if (data.bar[at] !== k) {
        rows.candles.push({ time: time });
        continue;
      }
      const falls = data.close[at] < data.open[at];
      const candle = { time: time, open: data.open[at], high: data.high[at], low: data.low[at], close: data.close[at] };
      let colour = falls ? colours.down : colours.up;
      if (data.imported[at]) {
        colour = falls ? colours.foreignDown : colours.foreignUp;
        candle.color = candle.wickColor = candle.borderColor = colour;
      }
      if (isForming(number, k)) candle.color = colours.back;
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
      new ResizeObserver(again).observe(first.parentElement);
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

  /** Tell beside each kind which share of what is seen it has. */
  function tellShares() {
    const found = series.counts(state.view.from, state.view.to), slots = found.reduce((sum, count) => sum + count, 0);
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
    const end = Math.floor((series.end - 1 + phase) / factor) + 1;
    const start = Math.max(0, Math.floor(left)), stop = Math.max(start, Math.min(end, Math.ceil(right)));
    if (!held || held.number !== number || start < held.start || stop > held.stop) {
      const margin = 2 * Math.ceil(right - left);
      fill(number, Math.max(0, start - margin), Math.min(end, stop + margin));
    }
    // The chart counts bars from the first it holds, each reaching half a bar to both sides.
    chart.timeScale().setVisibleLogicalRange({ from: left - held.start, to: right - 1 - held.start });
    const data = series.bars(number);
    state.width = width;
    state.level = meta.levels[number].name;
    state.range = [clock.moment(series.opens(number, start)), clock.moment(series.opens(number, Math.max(start, stop - 1)))];
    state.visible = below(data.bar, stop) - below(data.bar, start);
    document.getElementById("level").textContent = number ? `each bar ${state.level}` : "";
    const beside = laid(), step = (to - from) / (width * window.devicePixelRatio);
    if (beside !== null) paintStrip(canvas, series, colours, from + beside * window.devicePixelRatio * step, step);
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
    const last = series.bars(0).bar.at(-1);
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
    const first = Math.max(0, k * factor - phase), last = Math.min(series.end, (k + 1) * factor - phase);
    if (first >= last) return null;
    const data = series.bars(number), at = below(data.bar, k);
    const forming = isForming(number, k), unknown = Math.max(0, last - first - (series.known(last) - series.known(first)));
    const found = { time: series.opens(number, k), missing: forming ? 0 : unknown, forming: forming,
      provisional: series.provisionalIn(first, last), impossible: series.impossibleIn(first, last) };
    if (data.bar[at] !== k) return found;
    return { ...found, open: data.open[at], high: data.high[at], low: data.low[at], close: data.close[at], volume: data.volume[at],
      imported: data.imported[at] };
  }

  function told(at) {
    const values = at.open === undefined ? (at.impossible ? "impossible: the exchange's candle can't be true" : at.missing ? "missing" : at.provisional ? "empty by one answer" : meta.absent)
      : `O ${price(at.open)}  H ${price(at.high)}  L ${price(at.low)}  C ${price(at.close)}  V ${amount(at.volume)}`;
    const missing = Math.max(0, at.missing - (at.imported ?? 0));
    const more = at.open === undefined ? [] : [
      ...(at.forming ? ["not closed yet"] : []), ...(at.imported ? ["imported"] : []), ...(missing ? [`${missing.toLocaleString("en-US")} slots missing`] : []),
    ];
    const times = `${at.last ? "last " : ""}${clock.moment(at.time)} UTC, ${clock.elsewhere(at.time)}`;
    return `${times}\n${values}${more.length ? `  (${more.join(", ")})` : ""}`;
  }

  // Moving

  let drawn = null;
  function show(from, to) {
    const length = Math.min(Math.max(to - from, 10), Math.max(series.end * 1.2, 12));
    const middle = Math.min(Math.max((from + to) / 2, 0), series.end);
    state.view = { from: middle - length / 2, to: middle + length / 2 };
    drawn ??= requestAnimationFrame(draw);
  }
  /** Show all, with room beside it for half of a label of the axis. */
  function all() {
    const width = Math.max(chart.timeScale().width(), 100), margin = Math.max(0.01, 28 / width) * series.end;
    show(-margin, series.end + margin);
  }
  const pan = (slots) => show(state.view.from + slots, state.view.to + slots);
  const length = () => state.view.to - state.view.from;

  /** Make what is seen `times` as long; what is at `share` of the width stays there. */
  function zoom(times, share) {
    const wanted = Math.min(Math.max(length() * times, 10), Math.max(series.end * 1.2, 12));
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
    Home: () => show(0, length()), End: () => show(series.end - length(), series.end),
    "+": () => zoom(0.7, 0.5), "=": () => zoom(0.7, 0.5), "-": () => zoom(1 / 0.7, 0.5), 0: all,
  };
  window.addEventListener("keydown", (event) => {
    if (!series || !root.offsetParent || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  const again = () => series && show(state.view.from, state.view.to);
  dark.addEventListener("change", () => { paint(); again(); });
  // Also when the scale of prices takes more room for a longer number.
  chart.timeScale().subscribeSizeChange(again);

  paint();
  return state;
}
