// What a market has become after a part of it came: all that is stored from an open time on.
"use strict";

const COLUMNS = ["slot", "open", "high", "low", "close", "volume"];

/** The series `old` with all from the beginning of `part` on as `part` has it; the part alone if it is the whole. */
function joined(old, part) {
  if (part.whole || !old) return candleSeries(part, part);
  const { meta, base } = old;
  const shift = slotsBetween(meta, meta.first, part.first), at = below(base.slot, shift);
  const kept = Object.fromEntries(COLUMNS.map((name) => [name, base[name].slice(0, at)]));
  for (const name of COLUMNS) {
    for (const value of part[name]) kept[name].push(name === "slot" ? value + shift : value);
  }
  const spans = (name, moved = shift) => continued(meta[name], part[name], moved);
  const about = {
    ...meta, slots: shift + part.slots, decimals: Math.max(meta.decimals, part.decimals), absent: part.absent,
    proven: spans("proven"), provisional: spans("provisional"), impossible: spans("impossible"), imported: spans("imported", at),
  };
  return candleSeries(about, kept);
}

/** The spans `old` as far as `shift`, and then `more`, which counts from there on. */
function continued(old, more, shift) {
  const found = old.filter(([start]) => start < shift).map(([start, stop]) => [start, Math.min(stop, shift)]);
  for (const [start, stop] of more) {
    const last = found.at(-1);
    if (last && last[1] === start + shift) last[1] = stop + shift;
    else found.push([start + shift, stop + shift]);
  }
  return found;
}

/** Give a series the candle that is not closed yet: open time and values, or null. */
function formed(series, values) {
  const slot = values && slotsBetween(series.meta, series.meta.first, values[0]);
  // A closed one in the same place is the truth.
  const there = values && slot >= 0 && series.base.slot[below(series.base.slot, slot)] !== slot;
  series.form(there ? Object.fromEntries(COLUMNS.map((name, at) => [name, at ? values[at] : slot])) : null);
}
