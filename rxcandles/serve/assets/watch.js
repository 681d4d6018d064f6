// The page that watches markets. Events change what is known of them, and each frame draws what is seen and has changed.
"use strict";
(() => {
  const PATIENCE = 40000; // milliseconds without a word after which the connection is dead
  const BUDGET = 6; // milliseconds of a frame that cards are drawn in
  const AT_FIRST = 120; // slots that a chart shows at first
  const element = (name) => document.getElementById(name);
  const [list, one, banner] = ["cards", "one", "banner"].map(element);
  const markets = new Map(), pending = new Set(), seen = new Set();
  let hello = null, source = null, heard = 0, place = "", ahead = 0, away = null, trouble = "", chart = null, shown = null, frame = 0, colours = {};
  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => mark(entry.target.market)));
  const sight = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) seen.add(target.market); else if (seen.delete(target.market)) target.market.card.release();
      if (isIntersecting) mark(target.market);
    }
  }, { root: list, rootMargin: "300px" });

  // What comes

  function connect() {
    source?.close();
    heard = performance.now();
    source = new EventSource(`/events${place ? `?after=${encodeURIComponent(place)}` : ""}`);
    const on = (name, take) => source.addEventListener(name, (event) => {
      heard = performance.now();
      if (event.lastEventId) place = event.lastEventId;
      take(JSON.parse(event.data));
    });
    on("hello", begin);
    on("message", take);
    on("beat", (told) => { ahead = told.now - Date.now() / 1000; });
    on("trouble", (why) => { trouble = why; });
    on("ended", (why) => tellBanner(why ? `Following has ended: ${why}` : "Following has ended."));
    source.addEventListener("error", lost);
  }

  function begin(told) {
    const named = ({ timeframe, symbols }) => JSON.stringify([timeframe, symbols]);
    if (hello && hello.run !== told.run && named(hello) !== named(told)) return location.reload();
    hello = told;
    ahead = told.now - Date.now() / 1000;
    [away, trouble] = [null, ""];
    document.body.classList.remove("away");
    tellBanner("");
    for (const symbol of told.symbols) known(symbol);
    choose();
  }

  function lost() {
    away ??= new Date();
    document.body.classList.add("away");
    tellAway();
    tellAll();
    // A browser tries again by itself, but not after an answer that was no stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => source.readyState === EventSource.CLOSED && connect(), 2000);
  }

  function tellAway() {
    const since = away.toISOString().slice(11, 19);
    tellBanner(`Not connected since ${since} UTC${trouble && `: ${trouble}`}. What is shown is from before; trying again.`);
  }

  function tellBanner(text) {
    put(banner, text);
    banner.hidden = !text;
  }

  function known(symbol) {
    if (!markets.has(symbol)) {
      const market = { symbol: symbol, series: null, now: null };
      market.card = marketCard(list, symbol, () => { location.hash = encodeURIComponent(symbol); });
      market.card.root.market = market;
      markets.set(symbol, market);
      sight.observe(market.card.root);
      sizes.observe(market.card.root);
      document.body.classList.toggle("alone", markets.size === 1);
    }
    return markets.get(symbol);
  }

  function take(told) {
    const market = known(told.symbol);
    market.now = told;
    if (told.part) market.series = joined(market.series, told.part);
    if (market.series) formed(market.series, told.forming);
    mark(market);
  }

  // What is seen

  function mark(market) {
    pending.add(market);
    frame ||= requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    const until = performance.now() + BUDGET;
    for (const market of pending) {
      if (performance.now() > until) break;
      pending.delete(market);
      if (market === shown) tellChart();
      if (!seen.has(market)) continue;
      market.card.draw(market.series, colours);
      tellCard(market);
    }
    if (pending.size) frame = requestAnimationFrame(draw);
  }

  function tellChart() {
    if (!shown.series) return;
    document.documentElement.dataset.absent = { outage: "outage", "no trade or outage": "either" }[shown.series.meta.absent] ?? "no-trade";
    const fresh = chart.symbol !== shown.symbol;
    chart.use(shown.series);
    const { end } = shown.series, begin = Math.max(0, end - AT_FIRST);
    if (fresh) chart.show(begin, end + (end - begin) / 20);
    chart.symbol = shown.symbol;
    tellGoing();
  }

  /** How following a market goes: its state, how long ago the newest time is of which all is known, and why. */
  function going({ now, series }) {
    if (!now) return { state: "waiting", ago: "", late: false, reason: "" };
    const covered = series?.slots ? openTime(series.meta, series.meta.first, series.slots) : null;
    const proven = Math.max(now.proven ?? 0, covered ?? 0), seconds = Math.max(0, Math.round(Date.now() / 1000 + ahead - proven));
    const lost = now.lost && `lost: ${day(now.lost[0])} to ${day(now.lost[1])}${now.lost[2] && `, ${now.lost[2]}`}`;
    return {
      state: away ? "not connected" : now.state.replace("_", " "), ago: proven ? `${length(seconds)} ago` : "nothing yet", reason: [now.reason, lost].filter(Boolean).join("; "),
      late: away !== null || now.state === "stalled" || now.state === "refused" || (proven > 0 && seconds > 90 + 2 * (hello.seconds || 31 * 86400)),
    };
  }
  const day = (time) => new Date(time * 1000).toISOString().slice(0, 16).replace("T", " ");
  const length = (seconds) => (seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.floor(seconds / 60)} min` : seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`);

  function tellCard(market) {
    const { state, ago, late, reason } = going(market);
    market.card.tell(state, ago, late, reason);
  }

  function tellGoing() {
    const { state, ago, late, reason } = going(shown);
    put(element("going"), `${state} · all known until ${ago}${reason && ` · ${reason}`}`);
    element("going").className = late ? "late" : state.replace(" ", "_");
  }

  function tellAll() {
    seen.forEach(tellCard);
    if (shown) tellGoing();
  }

  /** Show the market that the address names, or the only one, or all. */
  function choose() {
    let name = "";
    try { name = decodeURIComponent(location.hash.slice(1)); } catch { /* an address that nobody here has made */ }
    const chosen = markets.get(name) ?? (markets.size === 1 ? [...markets.values()][0] : null);
    shown?.card.root.classList.remove("shown");
    shown = chosen;
    one.hidden = !chosen;
    document.body.classList.toggle("one", chosen !== null);
    if (!chosen) {
      // The legend is that of all markets again.
      for (const kind of KINDS) { element(kind).hidden = false; put(element(kind).lastElementChild, ""); }
      return;
    }
    chosen.card.root.classList.add("shown");
    put(element("name"), `${chosen.symbol} ${hello.timeframe}`);
    chart ??= window.rxcandles = Object.assign(candleChart(element("chart"), hello.zone, true), page);
    mark(chosen);
  }

  function paint() {
    const of = getComputedStyle(document.documentElement);
    for (const name of ["up", "down", ...KINDS]) colours[name] = of.getPropertyValue(`--${name}`).trim();
    markets.forEach(mark);
  }

  const page = {
    /** What the page knows of a market, in plain values. */
    market: (symbol) => {
      const { now, series } = markets.get(symbol) ?? {};
      return series && { ...now, part: undefined, times: series.base.slot.map((slot) => openTime(series.meta, series.meta.first, slot)),
        close: series.base.close, hollow: series.forming, slots: series.slots, proven: series.meta.proven };
    },
    drawn: () => markets.size > 0 && pending.size === 0,
  };
  window.rxcandles = page;
  window.addEventListener("hashchange", choose);
  window.addEventListener("keydown", (event) => { if (event.key === "Escape") location.hash = ""; });
  element("all").addEventListener("click", () => { location.hash = ""; });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  setInterval(() => {
    if (performance.now() - heard > PATIENCE) { lost(); connect(); }
    tellAll();
  }, 1000);
  paint();
  connect();
})();
