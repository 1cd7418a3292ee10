"use strict";
// Shared by all pages: data, elements, times, tables and strips.
// Text from recordings and files is inserted as text, never as markup.

const page = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);

  // The current name of the page's folder; not stored in the data, as the folder may be renamed.
  function folderName() {
    const [, name] = location.pathname.match(/([^/]*)\/[^/]*$/) ?? [null, ""];
    return decoded(name);
  }

  function decoded(url) {
    try {
      return decodeURIComponent(url);
    } catch {
      return url;
    }
  }

  // What was changed on the page, kept in its history entry for the way back to it.
  const kept = (name) => history.state?.[name];
  const keep = (name, value) => history.replaceState({ ...history.state, [name]: value }, "");

  // The time in seconds that the address links to, as in track.html#t=63.2; null if none.
  function linkedTime() {
    const [, seconds] = location.hash.match(/^#t=([0-9]+(?:\.[0-9]+)?)/) ?? [];
    return seconds === undefined ? null : Number(seconds);
  }

  // Let the address link to a time. Browsers limit how often it may change.
  let pending = 0;
  function linkTime(seconds) {
    clearTimeout(pending);
    const hash = `#t=${Number(seconds.toFixed(2))}`;
    if (hash === location.hash || (!seconds && linkedTime() === null)) return;
    pending = setTimeout(() => history.replaceState(history.state, "", hash), 300);
  }

  // Create an element. Keys with a dash and "role" are attributes, "style" is an object, all others
  // are properties; children are elements or strings.
  function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(properties)) {
      if (key === "style") Object.assign(made.style, value);
      else if (key.includes("-") || key === "role") made.setAttribute(key, value);
      else made[key] = value;
    }
    made.append(...children);
    return made;
  }

  // 83.4 -> "1:23", 3725 -> "1:02:05"; steps under a second add decimals.
  function clock(seconds, step = 1) {
    const digits = step >= 1 ? 0 : Math.ceil(-Math.log10(step));
    const scale = 10 ** digits;
    const units = Math.round(seconds * scale);
    const whole = Math.floor(units / scale);
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor(whole / 60) % 60;
    const rest = String(whole % 60).padStart(2, "0");
    const text = hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
    return digits ? `${text}.${String(units % scale).padStart(digits, "0")}` : text;
  }

  function clamp(value, low, high) {
    return Math.min(Math.max(value, low), high);
  }

  // Linear interpolation at x through points (xs[i], ys[i]), xs increasing.
  function interpolate(x, xs, ys) {
    if (x <= xs[0]) return ys[0];
    let low = 0;
    let high = xs.length - 1;
    if (x >= xs[high]) return ys[high];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] <= x) low = middle;
      else high = middle;
    }
    return ys[low] + ((x - xs[low]) / (xs[high] - xs[low])) * (ys[high] - ys[low]);
  }

  // A table. Columns are {text, title, number}; rows are lists of strings, elements or null.
  function table(columns, rows, rowClass = () => "") {
    const head = columns.map(({ text, title = "", number }) =>
      element("th", { scope: "col", title, className: number ? "number" : "" }, text));
    const body = rows.map((cells, i) =>
      element("tr", { className: rowClass(i) }, ...cells.map((cell, j) =>
        element("td", {
          className: columns[j].number ? "number" : "",
          "data-name": typeof columns[j].text === "string" ? columns[j].text : "",
        }, cell ?? "–"))));
    return element("div", { className: "table-scroll" },
      element("table", {},
        element("thead", {}, element("tr", {}, ...head)),
        element("tbody", {}, ...body)));
  }

  let sortables = 0;

  // Make a table sortable by a click on a heading. The function `of` of a column returns the sort key
  // of an item, one per row; the first click sorts numbers descending and names ascending.
  function makeSortable(listing, columns, items) {
    const body = listing.querySelector("tbody");
    const rows = [...body.children];
    const heads = [...listing.querySelectorAll("th")];
    const name = `sorted ${sortables++}`;
    const sort = (column, falling) => {
      const order = items.map((item, i) => [columns[column].of(item), i])
        .sort(([a, i], [b, j]) => compare(a, b, falling) || i - j);
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      heads[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
      body.append(...order.map(([, i]) => rows[i]));
      keep(name, [columns[column].text, falling]);
    };
    heads.forEach((head, column) => {
      const { text, number, of } = columns[column];
      if (!of) return;
      const button = element("button", { type: "button", className: "sort" }, text);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        sort(column, number ? now !== "descending" : now === "ascending");
      });
      head.replaceChildren(button);
    });
    const [text, falling] = kept(name) ?? [];
    const before = columns.findIndex((column) => column.of && column.text === text);
    if (before >= 0) sort(before, falling);
    return listing;
  }

  // Missing values come last in either direction.
  function compare(a, b, falling) {
    if (a === null || b === null) return (a === null) - (b === null);
    return (falling ? -1 : 1) * (a < b ? -1 : a > b ? 1 : 0);
  }

  // A segment [start, end, label, style index], positioned on a strip of `duration` seconds.
  function segmentBox(tag, [start, end, label, style], styles, duration) {
    const [color, texture] = styles[style];
    return element(tag, {
      className: `segment texture-${texture}`,
      title: `${label} · ${clock(start)}–${clock(end)}`,
      style: {
        left: `${(100 * start) / duration}%`,
        width: `${(100 * (end - start)) / duration}%`,
        backgroundColor: color,
      },
    });
  }

  const SHORT = {
    "F-measure@0.5": "F at 0.5 s",
    "F-measure@3.0": "F at 3 s",
    "Pairwise F-measure": "Pairwise F",
    "NCE F-measure": "NCE F",
    "V-measure": "V",
    "T-Measure reduced": "T reduced",
    "T-Measure full": "T full",
    "L-Measure": "L",
    "Estimated segments": "Segments",
  };

  // The column of a metric, with a short heading.
  function metricColumn(metric) {
    return { text: SHORT[metric] ?? metric, title: metric, number: true };
  }

  function score(value, digits = 3) {
    return value === null ? null : typeset(fixed(value, digits));
  }

  // A number with a minus sign in place of its hyphens.
  function typeset(number) {
    return number.replaceAll("-", "−");
  }

  // A number with so many digits as Python writes it in tables: exact ties, as means over few tracks
  // may be, become even there (23.25 is 23.2), but larger by toFixed.
  function fixed(value, digits) {
    const steps = value * 10 ** digits;
    const below = Math.floor(steps);
    const isTie = Number.isInteger(value * 2 ** (digits + 1)) && steps - below === 0.5;
    return (isTie ? (below + (below % 2 ? 1 : 0)) / 10 ** digits : value).toFixed(digits);
  }

  // The name of a system, marked if it is a baseline; its key in tables is a tooltip.
  function systemName({ system, key, kind }) {
    if (kind === "system") return element("span", {}, system);
    return element("span", { title: key }, system, " ", element("span", { className: "tag" }, kind));
  }

  // Figures that link to vector graphics. Their sizes prevent layout shifts during loading.
  function pictures(figures) {
    return element("div", { className: "figures" },
      ...figures.map(({ title, png, svg, width, height }) =>
        element("figure", {},
          element("a", { href: svg },
            element("img", { width, height, loading: "lazy", src: png, alt: title })),
          element("figcaption", {}, title))));
  }

  // Say after a sound why it cannot be played; browsers do not tell the reasons apart. But
  // Chromium cannot seek into the last half second of FLAC, and plays nothing after it has tried: a
  // sound that was playable is opened again, a little earlier.
  function tellUnplayable(audio, url, leave = () => {}) {
    let isPlayable = false;
    audio.addEventListener("loadeddata", () => { isPlayable = true; });
    audio.addEventListener("error", () => {
      if (!isPlayable) {
        const text = `cannot be played: ${decoded(url)} is missing, or unknown to this browser`;
        audio.after(element("p", { className: "note", role: "status" }, text));
        leave();
        return;
      }
      isPlayable = false;
      const { currentTime, paused } = audio;
      audio.load();
      audio.currentTime = Math.max(currentTime - 1, 0);
      // Failures raise this event again.
      if (!paused) audio.play().catch(() => {});
    });
  }

  const sounds = [];

  // A player, or the reason why there is none. Starting one sound stops the others.
  function soundPlayer({ url, note }, name) {
    if (!url) return element("p", { className: "note" }, note);
    const audio = element("audio", {
      controls: true, preload: "metadata", src: url, "aria-label": name,
    });
    audio.addEventListener("play", () => {
      sounds.filter((other) => other !== audio).forEach((other) => other.pause());
    });
    sounds.push(audio);
    tellUnplayable(audio, url);
    return note ? element("div", {}, audio, element("p", { className: "hint" }, note)) : audio;
  }

  function downloads(links) {
    return element("ul", { className: "downloads" }, ...links.map(({ text, url }) =>
      element("li", {}, element("a", { href: url }, text))));
  }

  // Open again what was open, which also keeps the height of the page and so the scroll position.
  document.addEventListener("DOMContentLoaded", () => {
    const folded = [...document.querySelectorAll("details")];
    folded.forEach((details, i) => { details.open = kept("open")?.includes(i) ?? false; });
    document.addEventListener("toggle", () => {
      keep("open", folded.flatMap((details, i) => (details.open ? [i] : [])));
    }, { capture: true });
  });

  return {
    data, folderName, linkedTime, linkTime, element, clock, clamp, interpolate, table,
    makeSortable, segmentBox, metricColumn, score, fixed, typeset, systemName, pictures,
    tellUnplayable, soundPlayer, downloads,
  };
})();
