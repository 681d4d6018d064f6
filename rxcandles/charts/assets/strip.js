// The strip of coverage: which slots are stored, empty or missing.
"use strict";

/** Draw the slots of `series` from `from` on into `canvas`, `step` slots in each column of pixels from `top` down.
 *
 * Each column is divided as the slots are that it stands for. Columns meet at the edges of pixels, and what of a share is
 * no whole pixel goes over to the next column: so the area of a colour is its share, at any width, and nothing is drawn
 * larger than it is.
 */
function paintStrip(canvas, series, colours, from, step, top = 0) {
  const context = canvas.getContext("2d"), { width } = canvas, height = canvas.height - top;
  context.clearRect(0, top, width, height);
  const rest = KINDS.map(() => 0);
  const clamped = (slot) => Math.min(Math.max(slot, 0), series.slots);
  let slot = clamped(from), first = series.upTo(slot), begun = 0, run = null;
  const flush = (end) => {
    for (let at = 0, y = canvas.height; run && at < run.length; at++) {
      if (!run[at]) continue;
      context.fillStyle = colours[KINDS[at]];
      context.fillRect(begun, y -= run[at], end - begun, run[at]);
    }
  };
  for (let x = 0; x < width; x++) {
    const next = clamped(from + (x + 1) * step), last = series.upTo(next), slots = next - slot;
    const pixels = slots > 0 ? divided(series.between(first, last), (height * slots) / step, height, rest) : null;
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
