// A market in small: its newest candles and their coverage, its price, and how following it goes.
"use strict";

const SLOT = 4; // pixels of a slot
const STRIP = 6; // pixels of the strip

/** A card for `symbol` in `list`; `chosen` is called when it is clicked. */
function marketCard(list, symbol, chosen) {
  const root = document.createElement("article"), canvas = document.createElement("canvas");
  const add = (parent, kind, name, text = "") => {
    const made = document.createElement(kind);
    [made.className, made.textContent] = [name, text];
    parent.append(made);
    return made;
  };
  root.className = "card";
  root.tabIndex = 0;
  const top = add(root, "div", ""), price = (add(top, "b", "", symbol), add(top, "span", "price"));
  root.append(canvas);
  const bottom = add(root, "div", ""), why = add(bottom, "span", "why"), going = add(bottom, "span", "going");
  root.addEventListener("click", chosen);
  root.addEventListener("keydown", (event) => event.key === "Enter" && chosen());
  list.append(root);
  release();
  return { root: root, draw: draw, tell: tell, release: release };

  function draw(series, colours) {
    const ratio = window.devicePixelRatio, width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height || !series) return;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const pixels = Math.round(SLOT * ratio), slots = Math.floor(width / pixels), from = series.end - slots;
    const strip = Math.round(STRIP * ratio), room = height - strip - Math.round(2 * ratio);
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    paintCandles(context, series, colours, from, pixels, room);
    paintStrip(canvas, series, colours, from, 1 / pixels, height - strip);
    const last = series.forming?.close ?? series.base.close.at(-1);
    put(price, last === undefined ? "" : last.toLocaleString("en-US", { maximumFractionDigits: series.meta.decimals }));
  }

  /** Tell how following goes, and why. */
  function tell(state, ago, late, reason) {
    put(going, `${state} · ${ago}`);
    going.className = `going ${late ? "late" : state.replace(" ", "_")}`;
    put(why, reason);
    root.title = reason;
  }

  /** Give the memory of a picture back that nobody sees. */
  function release() {
    canvas.width = canvas.height = 0;
  }
}

/** Set a text, if it is another. */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Draw the candles of `series` from slot `from` on, each `pixels` wide, into `room` pixels from the top. */
function paintCandles(context, series, colours, from, pixels, room) {
  const data = series.bars(0), begin = below(data.bar, from);
  let low = Infinity, high = -Infinity;
  for (let at = begin; at < data.bar.length; at++) {
    if (data.low[at] < low) low = data.low[at];
    if (data.high[at] > high) high = data.high[at];
  }
  const scale = (room - 2) / (high - low || 1), place = (price) => Math.round((high - price) * scale);
  const body = Math.max(1, pixels - Math.max(1, Math.round(pixels / 4))), middle = (body - 1) >> 1;
  for (let at = begin; at < data.bar.length; at++) {
    const x = (data.bar[at] - from) * pixels, hollow = series.forming?.slot === data.bar[at];
    const upper = place(Math.max(data.open[at], data.close[at])), lower = place(Math.min(data.open[at], data.close[at]));
    const height = Math.max(1, lower - upper);
    context.fillStyle = data.close[at] < data.open[at] ? colours.down : colours.up;
    context.fillRect(x + middle, place(data.high[at]), 1, Math.max(1, place(data.low[at]) - place(data.high[at])));
    context.fillRect(x, upper, body, height);
    if (hollow) context.clearRect(x + 1, upper + 1, body - 2, height - 2);
  }
}
