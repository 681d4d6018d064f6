// Times in words.
"use strict";

/** How times of a series are told: in UTC by `moment`, and `elsewhere` in `zone` or, without one, in Korea. */
function clockOf(meta, zone) {
  const withSeconds = meta.seconds > 0 && meta.seconds < 60;
  const moment = (time) => new Date(time * 1000).toISOString().slice(0, withSeconds ? 19 : 16).replace("T", " ");
  const korean = (time) => {
    const there = moment(time + 9 * 3600);
    return there.slice(0, 10) === moment(time).slice(0, 10) ? there.slice(11) : there.slice(5);
  };
  const there = zone && new Intl.DateTimeFormat("sv-SE", {
    timeZone: zone, dateStyle: "short", timeStyle: withSeconds ? "medium" : "short",
  });
  const elsewhere = (time) => (there ? `${there.format(new Date(time * 1000))} ${zone}` : `${korean(time)} KST`);
  return { withSeconds: withSeconds, moment: moment, elsewhere: elsewhere };
}
