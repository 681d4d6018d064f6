// The candles of one series, its kinds of slots, and the bars of its levels. Time is counted in slots of the timeframe
// from `meta.first` on; a level puts `factor` slots into one bar, and bar k of it holds the slots from k * factor - phase on.
"use strict";

const KINDS = ["stored", "imported", "no-trade", "provisional", "missing", "impossible"];

/** Number of values in ascending `values` that are less than `value`. */
function below(values, value) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

/** Number of slots between two open times; `meta` tells their length. */
function slotsBetween(meta, start, stop) {
  if (meta.seconds) return (stop - start) / meta.seconds;
  const [from, to] = [start, stop].map((time) => new Date(time * 1000));
  return ((to.getUTCFullYear() - from.getUTCFullYear()) * 12 + to.getUTCMonth() - from.getUTCMonth()) / meta.months;
}

/** The open time of the slot that is `slots` after `start`. */
function openTime(meta, start, slots) {
  if (meta.seconds) return start + slots * meta.seconds;
  const there = new Date(start * 1000);
  return Date.UTC(there.getUTCFullYear(), there.getUTCMonth() + slots * meta.months, 1) / 1000;
}

/** A series of `base`, columns of equal length: slot, open, high, low, close, volume. */
function candleSeries(meta, base) {
  const proven = sums(meta.proven), doubted = sums(meta.provisional), impossible = sums(meta.impossible);
  // These count candles, by their places in the columns.
  const imported = sums(meta.imported);
  const within = sums(meta.proven.map((span) => span.map((slot) => below(base.slot, slot))));
  const levels = meta.levels.map(() => null);
  const series = {
    meta: meta, base: base, slots: meta.slots, end: meta.slots, forming: null,
    bars: bars, between: between, counts: counts, form: form, known: known, opens: opens, upTo: upTo,
    provisionalIn: (first, last) => before(doubted, last) - before(doubted, first),
    impossibleIn: (first, last) => before(impossible, last) - before(impossible, first),
  };
  return series;

  function sums(spans) {
    const starts = [], stops = [], before = [];
    let sum = 0;
    for (const [start, stop] of spans) {
      starts.push(start); stops.push(stop); before.push(sum);
      sum += stop - start;
    }
    return { starts: starts, stops: stops, before: before };
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

  /** Take `candle` (slot, open, high, low, close, volume) as the one that is not closed yet, in place of the last such. */
  function form(candle) {
    series.forming = candle;
    series.end = candle ? Math.max(meta.slots, candle.slot + 1) : meta.slots;
    levels.fill(null);
  }

  /** The bars of a level that have candles: true open, high, low, close and sums of what was traded in each. */
  function bars(number) {
    if (levels[number]) return levels[number];
    const { factor, phase } = meta.levels[number], { forming } = series;
    const bar = [], open = [], high = [], low = [], close = [], volume = [], count = [], foreign = [];
    const take = (from, i, stored) => {
      const k = Math.floor((from.slot[i] + phase) / factor), last = bar.length - 1;
      if (last < 0 || bar[last] !== k) {
        bar.push(k); open.push(from.open[i]); high.push(from.high[i]); low.push(from.low[i]); close.push(from.close[i]);
        volume.push(from.volume[i]); count.push(stored); foreign.push(before(imported, stored ? i : base.slot.length));
      } else {
        if (from.high[i] > high[last]) high[last] = from.high[i];
        if (from.low[i] < low[last]) low[last] = from.low[i];
        close[last] = from.close[i];
        volume[last] += from.volume[i];
        count[last] += stored;
      }
    };
    for (let i = 0; i < base.slot.length; i++) take(base, i, 1);
    if (forming) take(Object.fromEntries(Object.entries(forming).map(([name, value]) => [name, [value]])), 0, 0);
    // How many of a bar's candles were imported: of all before the next bar's first, less those before its own.
    for (let at = 0; at < foreign.length; at++) foreign[at] = (foreign[at + 1] ?? before(imported, base.slot.length)) - foreign[at];
    levels[number] = { bar: bar, open: open, high: high, low: low, close: close, volume: volume, count: count, imported: foreign };
    return levels[number];
  }

  function opens(number, k) {
    return openTime(meta, meta.first, k * meta.levels[number].factor - meta.levels[number].phase);
  }
}
