// The page of a chart: its candles lie in the page itself, packed.
"use strict";
(async () => {
  const meta = JSON.parse(document.getElementById("meta").textContent);
  const series = candleSeries(meta, columns(await unpacked(document.getElementById("data").textContent)));
  window.rxcandles = Object.assign(candleChart(document.getElementById("chart"), meta.zone), {
    candles: meta.candles, slots: meta.slots, levels: meta.levels.map((each) => each.name), bars: series.bars,
    known: series.known, counts: series.counts,
  });
  window.rxcandles.use(series);

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
})();
