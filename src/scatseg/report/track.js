"use strict";
// The page of a track: views of the recording that share the playhead of its player.

(() => {
  const {
    data, element, clock, clamp, interpolate, table, segmentBox, metricColumn, score, fixed,
    systemName, downloads, linkedTime,
  } = page;
  const { duration } = data;
  const place = (id) => document.getElementById(id);

  document.title = `${data.title} · scatseg`;
  place("title").textContent = data.title;
  place("subtitle").append(clock(duration),
    ...(data.title === data.id ? [] : [" · ", element("bdi", {}, data.id)]));
  const view = makeView();
  showNeighbors();
  showTimeline();
  showSections();
  showKeys();
  if (data.similarity) showSimilarity();
  showScores();
  showNotes();
  if (data.downloads.length) {
    place("downloads").append(element("h2", {}, "Files"), downloads(data.downloads));
  }
  player.seek(linkedTime() ?? 0);
  window.addEventListener("hashchange", () => player.seek(linkedTime() ?? player.now()));

  function showNeighbors() {
    const neighbors = element("nav", { id: "neighbors", "aria-label": "Tracks" });
    document.querySelector(".top").append(neighbors);
    for (const [way, neighbor] of [["previous", data.previous], ["next", data.next]]) {
      if (!neighbor) continue;
      const arrow = way === "previous" ? "←" : "→";
      const name = element("span", { className: "neighbor" }, neighbor.title);
      neighbors.append(element("a", {
        href: neighbor.url, rel: way === "next" ? "next" : "prev",
        "aria-label": `${way} track: ${neighbor.title}`,
      }, ...(way === "previous" ? [arrow, name] : [name, arrow])));
    }
  }

  // ---- the timeline: waveform, strips and curves over one axis -----------------------------

  function showTimeline() {
    const rows = place("rows");
    if (data.waveform) rows.append(row("waveform", waveform(), "tall"));
    for (const strip of data.references) rows.append(row(strip.name, stripOf(strip), "reference"));
    for (const strip of data.estimates) rows.append(row(strip.name, stripOf(strip)));
    for (const curve of data.curves) rows.append(row(curve.title, curveOf(curve), "curve"));
    rows.append(row("", timeAxis(linear)));
    const playhead = rows.querySelector(".playhead");
    player.onMove((time) => { playhead.style.left = `${100 * linear(time)}%`; });
    view.start();
  }

  // The visible part of the timeline: it is `span` pixels wide, of which `size` are visible from
  // `left`. Initially wide enough to read the sections.
  function makeView() {
    const scroller = place("scroller");
    const rows = place("rows");
    const redraws = [];
    const most = Math.min(64, 1e5 / duration);
    const seen = { span: 1, size: 1, left: 0 };
    let scale = Math.min(18 / usualLength(), most);
    let last = 0;

    function layOut() {
      const names = rows.querySelector(".row-body").offsetLeft;
      seen.size = Math.max(1, scroller.clientWidth - names);
      seen.span = Math.max(seen.size, scale * duration);
      const whole = seen.span === seen.size;
      rows.style.width = whole ? "" : `${names + seen.span}px`;
      rows.style.setProperty("--window", `${seen.size}px`);
      [wider.disabled, narrower.disabled, all.disabled] = [scale >= most, whole, whole];
      scroll(scroller.scrollLeft);
    }
    function scroll(left) {
      scroller.scrollLeft = left;
      seen.left = scroller.scrollLeft;
      redraws.forEach((redraw) => redraw());
    }
    function isSeen(time) {
      const x = linear(time) * seen.span - seen.left;
      return x >= 0 && x <= seen.size;
    }
    // Keep the playhead in place if visible, else the center.
    function zoomTo(wanted) {
      const { span, size, left } = seen;
      const kept = isSeen(player.now()) ? linear(player.now()) : (left + size / 2) / span;
      const x = kept * span - left;
      scale = Math.min(wanted, most);
      layOut();
      scroll(kept * seen.span - x);
    }
    // After scrolling away from the playhead, follow it again only when it jumps.
    function follow(time) {
      const lost = !isSeen(time) && (isSeen(last) || Math.abs(time - last) > 1);
      last = time;
      if (lost) scroll(linear(time) * seen.span - 0.1 * seen.size);
    }
    // Paper does not scroll, and is not dark.
    function printWhole() {
      const shown = [scale, seen.left];
      document.documentElement.classList.add("on-paper");
      zoomTo(0);
      window.addEventListener("afterprint", () => {
        document.documentElement.classList.remove("on-paper");
        [scale] = shown;
        layOut();
        scroll(shown[1]);
      }, { once: true });
    }
    function button(text, name, act) {
      const made = element("button", { type: "button", className: "small", title: name }, text);
      made.setAttribute("aria-label", name);
      made.addEventListener("click", act);
      return made;
    }

    const narrower = button("−", "Zoom out", () => zoomTo(seen.span / duration / 2));
    const wider = button("+", "Zoom in", () => zoomTo((2 * seen.span) / duration));
    const all = button("whole", "Show the whole recording", () => zoomTo(0));
    place("zoom").append(narrower, wider, all);
    function start() {
      scroller.addEventListener("scroll", () => scroll(scroller.scrollLeft));
      new ResizeObserver(layOut).observe(scroller);
      window.addEventListener("beforeprint", printWhole);
      layOut();
      player.onMove(follow);
    }
    return { seen, start, onChange: (redraw) => redraws.push(redraw) };
  }

  // The median length of the sections shown first.
  function usualLength() {
    const [strip] = [...data.estimates, ...data.references];
    if (!strip) return duration;
    const lengths = strip.segments.map(([start, end]) => end - start).sort((a, b) => a - b);
    return lengths[lengths.length >> 1];
  }

  function row(name, body, kind = "") {
    return element("div", { className: `row ${kind}` },
      element("div", { className: "row-name", title: name }, name),
      element("div", { className: "row-body" }, body));
  }

  function linear(time) {
    return clamp(time / duration, 0, 1);
  }

  function waveform() {
    const [low, high] = data.waveform;
    const peak = Math.max(1, ...low.map(Math.abs), ...high.map(Math.abs));
    const canvas = drawn((context, width, height, color, pixel) => {
      context.fillStyle = color("--wave");
      const stretch = (x) => Math.floor(((view.seen.left + x / pixel) * low.length) / view.seen.span);
      for (let x = 0; x < width; x++) {
        const first = clamp(stretch(x), 0, low.length - 1);
        const last = Math.max(first + 1, stretch(x + 1));
        const top = Math.max(...high.slice(first, last)) / peak;
        const bottom = Math.min(...low.slice(first, last)) / peak;
        const y = (height / 2) * (1 - top);
        context.fillRect(x, y, 1, Math.max(1, (height / 2) * (top - bottom)));
      }
    });
    return seekable(canvas, "Waveform");
  }

  function curveOf({ title, times, heights, boundaries }) {
    const canvas = drawn((context, width, height, color, pixel) => {
      const x = (time) => (linear(time) * view.seen.span - view.seen.left) * pixel;
      const y = (value) => height - 1 - value * (height - 6 * pixel);
      const outline = new Path2D();
      times.forEach((time, i) => outline.lineTo(x(time), y(heights[i])));
      const area = new Path2D(outline);
      area.lineTo(x(times[times.length - 1]), height);
      area.lineTo(x(times[0]), height);
      context.fillStyle = color("--wave-soft");
      context.fill(area);
      context.strokeStyle = color("--wave");
      context.lineWidth = 1.25 * pixel;
      context.stroke(outline);
      context.fillStyle = color("--ink");
      const dense = view.seen.span < 10 * boundaries.length;
      for (const time of boundaries) {
        context.globalAlpha = dense ? 0.2 : 0.35;
        context.fillRect(x(time) - pixel / 2, 0, pixel, height);
        context.globalAlpha = 1;
        if (dense) continue;
        context.beginPath();
        context.arc(x(time), y(interpolate(time, times, heights)), 2.75 * pixel, 0, 2 * Math.PI);
        context.fill();
      }
    });
    return seekable(canvas, title);
  }

  // A canvas over the visible timeline, redrawn when the view, its size or the color scheme changes.
  function drawn(draw) {
    const canvas = element("canvas");
    const redraw = () => {
      const pixel = window.devicePixelRatio;
      canvas.width = Math.max(1, Math.round(canvas.clientWidth * pixel));
      canvas.height = Math.max(1, Math.round(canvas.clientHeight * pixel));
      const scheme = getComputedStyle(document.documentElement);
      draw(canvas.getContext("2d"), canvas.width, canvas.height,
        (name) => scheme.getPropertyValue(name), pixel);
    };
    view.onChange(redraw);
    new ResizeObserver(redraw).observe(canvas);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    return canvas;
  }

  // A view along time: a click or the arrow keys move the playhead.
  function seekable(canvas, name) {
    canvas.addEventListener("click", (event) => {
      player.seek(((view.seen.left + event.offsetX) / view.seen.span) * duration);
    });
    return slider(canvas, name);
  }

  // Expose the playhead as an ARIA slider, moved by the usual keys.
  function slider(canvas, name) {
    const steps = {
      ArrowLeft: -5, ArrowRight: 5, ArrowDown: -5, ArrowUp: 5, PageDown: -30, PageUp: 30,
      Home: -Infinity, End: Infinity,
    };
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "slider");
    canvas.setAttribute("aria-label", `${name}: position`);
    canvas.setAttribute("aria-valuemin", "0");
    canvas.setAttribute("aria-valuemax", String(Math.round(duration)));
    player.onMove((time) => {
      canvas.setAttribute("aria-valuenow", String(Math.round(time)));
      canvas.setAttribute("aria-valuetext", clock(time));
    });
    canvas.addEventListener("keydown", (event) => {
      if (!(event.key in steps)) return;
      event.preventDefault();
      player.seek(player.now() + steps[event.key] * (event.shiftKey ? 0.1 : 1));
    });
    return canvas;
  }

  function stripOf(named) {
    const { name, segments } = named;
    const buttons = segments.map((segment) => {
      const button = segmentBox("button", segment, data.styles, duration);
      button.append(element("span", {}, segment[2]));
      return playing(button, segment, named);
    });
    const strip = element("div", { className: "strip", role: "group", "aria-label": name }, ...buttons);
    markCurrent(segments, buttons, walkable(strip, buttons, "ArrowLeft", "ArrowRight"));
    return strip;
  }

  // Make a button that plays a segment of a strip.
  function playing(button, segment, strip) {
    const [start, end, label] = segment;
    button.type = "button";
    button.setAttribute("aria-label", `${label}, ${clock(start)} to ${clock(end)}: play`);
    player.plays(button, segment, strip);
    return button;
  }

  // Mark the element of the segment at the playhead, and tell its number.
  function markCurrent(segments, elements, tell) {
    let current = -1;
    const mark = (time) => {
      const next = segments.findIndex(([start, end]) => start <= time && time < end);
      if (next === current) return;
      elements[current]?.classList.remove("is-current");
      elements[next]?.classList.add("is-current");
      current = next;
      if (next >= 0) tell(next);
    };
    player.onMove(mark);
    mark(player.now());
  }

  // Roving tab index: a group of buttons is one tab stop, arrow keys move within it. Returns a
  // function that moves the stop to a button, unless the focus is in the group.
  function walkable(box, buttons, back, on) {
    let stop = buttons[0];
    const stopAt = (button) => {
      stop.tabIndex = -1;
      stop = button;
      stop.tabIndex = 0;
    };
    buttons.forEach((button) => { button.tabIndex = -1; });
    stopAt(stop);
    box.addEventListener("keydown", (event) => {
      const here = buttons.indexOf(event.target);
      const last = buttons.length - 1;
      const goal = { [back]: here - 1, [on]: here + 1, Home: 0, End: last }[event.key];
      if (here < 0 || goal === undefined) return;
      event.preventDefault();
      stopAt(buttons[clamp(goal, 0, last)]);
      stop.focus();
    });
    return (i) => {
      if (!box.contains(document.activeElement)) stopAt(buttons[i]);
    };
  }

  // Time ticks along an axis; `along` maps a time to a fraction of its length.
  function timeAxis(along, axis = element("div", { className: "axis" }), vertical = false) {
    const rounds = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
    let room = 0;
    const redraw = () => {
      const before = room;
      room = vertical ? axis.clientHeight / 48 : axis.clientWidth / 64;
      if (room === before) return;
      const step = rounds.find((round) => duration / round <= room) ?? 7200;
      const ticks = [];
      for (let i = 0; i * step <= duration; i++) {
        const part = along(i * step);
        const where = vertical ? { top: `${100 * part}%` } : { left: `${100 * part}%` };
        const isLast = !vertical && (1 - part) * axis.clientWidth < 24;
        ticks.push(element("span", { className: isLast ? "at-end" : "", style: where },
          clock(i * step, step)));
      }
      axis.replaceChildren(...ticks);
    };
    view.onChange(redraw);
    new ResizeObserver(redraw).observe(axis);
    return axis;
  }

  // ---- the sections as a table --------------------------------------------------------------

  function showSections() {
    const strips = [...data.references, ...data.estimates];
    if (!strips.length) return;
    place("sections").append(element("details", {},
      element("summary", {}, "List of sections"),
      ...choice("of ", strips.map(({ name }) => name),
        data.estimates.length ? data.references.length : 0, (i) => sectionTable(strips[i]))));
  }

  function showKeys() {
    const keys = [
      ...(player.isSilent ? [] : [
        [["Space"], "play or pause"],
        [["L"], "repeat the section in focus, else that at the playhead; again: no longer"],
      ]),
      [["Tab"], "to the next view, or the section at the playhead in the next row or list"],
      [["←", "→"], "on the waveform, a curve or the matrix: 5 s back or on, with Shift 0.5 s; " +
        "on sections: to the one before or after"],
      [["Page up", "Page down"], "on the waveform, a curve or the matrix: 30 s on or back"],
      [["Home", "End"], "to the start or end"],
      [["Enter"], "play the section in focus from its start"],
    ];
    place("keys").querySelector("dl").append(...keys.flatMap(([names, text]) => [
      element("dt", {}, ...names.map((name) => element("kbd", {}, name))), element("dd", {}, text),
    ]));
  }

  // A menu of items, each created by `make` when first selected.
  function choice(text, names, first, make) {
    const select = element("select", {}, ...names.map((name, i) =>
      element("option", { value: String(i) }, name)));
    select.value = String(first);
    const shown = element("div", { className: "choice" });
    const made = new Map();
    const show = () => {
      const i = Number(select.value);
      if (!made.has(i)) made.set(i, make(i, names[i]));
      shown.replaceChildren(made.get(i));
    };
    whenSelected(select, show);
    show();
    return names.length > 1
      ? [element("p", { className: "hint" }, element("label", {}, text, select)), shown] : [shown];
  }

  // The way back to a page restores what was selected, without a change event.
  function whenSelected(select, act) {
    select.addEventListener("change", act);
    window.addEventListener("pageshow", act);
  }

  function sectionTable(strip) {
    const { name, segments } = strip;
    const columns = [
      { text: "Start" }, { text: "End", number: true }, { text: "Length (s)", number: true },
      { text: "Label" },
    ];
    const buttons = segments.map((segment) => playing(
      element("button", { className: "start" }, clock(segment[0], 0.01)), segment, strip));
    const made = table(columns, segments.map(([start, end, label, style], i) => [
      buttons[i], clock(end, 0.01), (end - start).toFixed(2), labelled(label, data.styles[style]),
    ]));
    made.classList.add("sections");
    made.setAttribute("role", "group");
    made.setAttribute("aria-label", `Sections of ${name}`);
    const rows = [...made.querySelectorAll("tbody tr")];
    rows.forEach((row, i) => row.addEventListener("click", (event) => {
      if (event.target !== buttons[i]) buttons[i].click();
    }));
    markCurrent(segments, rows, walkable(made, buttons, "ArrowUp", "ArrowDown"));
    return made;
  }

  function labelled(label, [color, texture]) {
    return element("span", {},
      element("i", { className: `swatch texture-${texture}`, style: { backgroundColor: color } }),
      label);
  }

  // ---- the self-similarity matrix -----------------------------------------------------------

  function showSimilarity() {
    const section = place("similarity");
    section.hidden = false;
    const { edges, url, limits, colors } = data.similarity;
    const fractions = edges.map((_, i) => i / (edges.length - 1));
    const along = (time) => interpolate(time, edges, fractions);
    const timeAt = (fraction) => interpolate(fraction, fractions, edges);

    const picture = new Image();
    const canvas = section.querySelector("canvas");
    const body = section.querySelector(".matrix-body");
    const overlay = overlayChoice();
    const redraw = () => drawMatrix(canvas, picture, overlay(), along);
    picture.addEventListener("load", redraw);
    picture.src = url;
    whenSelected(place("overlay"), redraw);
    new ResizeObserver(redraw).observe(canvas);

    slider(canvas, "Self-similarity, bright is similar");
    const momentsAt = (event) => [
      event.offsetX / canvas.clientWidth, event.offsetY / canvas.clientHeight,
    ].map((fraction) => timeAt(clamp(fraction, 0, 1)));
    const moments = place("moments");
    const choices = place("choices");
    canvas.addEventListener("click", (event) => {
      const [across, down] = momentsAt(event);
      player.seek(event.shiftKey ? down : across);
      choices.replaceChildren(...[across, down].map(momentButton));
    });
    const hint = "Click: go to the horizontal time. Shift-click: go to the vertical time.";
    moments.textContent = hint;
    canvas.addEventListener("pointermove", (event) => {
      const [across, down] = momentsAt(event);
      moments.textContent = `${clock(across)} against ${clock(down)}`;
    });
    canvas.addEventListener("pointerleave", () => { moments.textContent = hint; });

    const [low, high] = limits.map((limit) => fixed(limit, 2));
    section.querySelector(".key").append(`similarity ≤ ${low}`,
      element("i", { style: { background: `linear-gradient(to right, ${colors})` } }), `≥ ${high}`);
    const [vertical, horizontal] = section.querySelectorAll(".axis");
    timeAxis(along, vertical, true);
    timeAxis(along, horizontal);
    player.onMove((time) => {
      body.style.setProperty("--at", `${100 * along(time)}%`);
    });
  }

  // Both times of a click have a play button, for devices without a Shift key.
  function momentButton(time) {
    const button = element("button", { type: "button", className: "small" }, `▶ ${clock(time)}`);
    button.setAttribute("aria-label", `Play from ${clock(time)}`);
    button.addEventListener("click", () => player.seek(time, { play: true }));
    return button;
  }

  // Fill the menu of strips; the first estimate is selected initially.
  function overlayChoice() {
    const strips = [...data.references, ...data.estimates];
    const select = place("overlay");
    select.append(element("option", { value: "-1" }, "nobody"),
      ...strips.map((strip, i) => element("option", { value: String(i) }, strip.name)));
    select.value = String(data.estimates.length ? data.references.length : strips.length - 1);
    return () => strips[Number(select.value)]?.segments ?? [];
  }

  function drawMatrix(canvas, picture, segments, along) {
    if (!picture.complete || !picture.naturalWidth) return;
    const side = Math.max(1, Math.round(canvas.clientWidth * window.devicePixelRatio));
    canvas.width = side;
    canvas.height = side;
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = side < picture.naturalWidth;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, side, side);
    context.strokeStyle = "rgba(255, 255, 255, 0.85)";
    context.lineWidth = 1.25 * window.devicePixelRatio;
    for (const [start, end] of segments) {
      const corner = along(start) * side;
      const size = along(end) * side - corner;
      context.strokeRect(corner, corner, size, size);
    }
  }

  // ---- numbers and notes --------------------------------------------------------------------

  function showScores() {
    const { columns, hierarchy, metrics, rows } = data.scores;
    if (!rows.length) {
      place("scores").append(element("h2", {}, "Segments"), segmentCounts());
      return;
    }
    const [flat, nested] = [columns, hierarchy].map((shown) => scoreTable(shown));
    place("scores").append(
      ...(flat ? [element("h2", {}, "Scores"), flat] : []),
      ...(nested ? [element("h2", {}, "Scores, all levels at once"), nested] : []));
    place("measures").append(element("details", {},
      element("summary", {}, `All ${metrics.length} measures`),
      ...choice("against ", [...new Set(rows.map((row) => row.reference))], 0, allMeasures)));
  }

  function measure(row, metric) {
    const value = row.values[data.scores.metrics.indexOf(metric)] ?? null;
    return score(value, metric.endsWith("segments") ? 0 : 3);
  }

  // Selected measures of all systems, by reference; rows without values are omitted.
  function scoreTable(shown) {
    const rows = data.scores.rows.filter((row) => shown.some((metric) => measure(row, metric) !== null));
    if (!rows.length) return null;
    const made = table([{ text: "System" }, ...shown.map(metricColumn)],
      rows.map((row) => [systemName(row), ...shown.map((metric) => measure(row, metric))]),
      (i) => (rows[i].kind === "system" ? "" : "muted"));
    const references = rows.map((row) => row.reference);
    if (new Set(references).size > 1) {
      [...made.querySelectorAll("tbody tr")].forEach((line, i) => {
        if (references[i] === references[i - 1]) return;
        const heading = { colSpan: shown.length + 1, scope: "rowgroup" };
        line.before(element("tr", { className: "group" }, element("th", heading, references[i])));
      });
    }
    return made;
  }

  // All measures against one reference: a row per measure, a column per system.
  function allMeasures(i, reference) {
    const rows = data.scores.rows.filter((row) => row.reference === reference);
    const known = data.scores.metrics.filter((metric) => rows.some((row) => measure(row, metric) !== null));
    return table(
      [{ text: "Measure" }, ...rows.map((row) => ({ text: systemName(row), number: true }))],
      known.map((metric) => [metric, ...rows.map((row) => measure(row, metric))]));
  }

  function segmentCounts() {
    const columns = [
      { text: "Segmentation" },
      { text: "Segments", number: true },
      { text: "Mean length (s)", number: true },
    ];
    const rows = [...data.references, ...data.estimates].map(({ name, segments }) => {
      const length = segments[segments.length - 1][1] - segments[0][0];
      return [name, String(segments.length), fixed(length / segments.length, 1)];
    });
    return table(columns, rows);
  }

  function showNotes() {
    const list = (items) => element("ul", { className: "notes" }, ...items);
    if (data.warnings.length) {
      place("notes").append(element("h2", {}, "Warnings"),
        list(data.warnings.map((text) => element("li", {}, text))));
    }
    if (data.repairs.length) {
      place("notes").append(element("h2", {}, "Repairs"),
        list(data.repairs.map(({ name, text }) =>
          element("li", {}, element("b", {}, name), " ", text))));
    }
  }
})();
