"use strict";
// The page of one track: a player, and views of the recording that share its playhead.

(() => {
  const { data, element, clock, table, segmentBox, metricColumn, score, systemName, downloads } = page;
  const { duration } = data;
  const place = (id) => document.getElementById(id);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  document.title = `${data.title} · scatseg`;
  place("title").textContent = data.title;
  place("subtitle").textContent = data.title === data.id
    ? clock(duration) : `${clock(duration)} · ${data.id}`;
  const player = makePlayer();
  showNeighbors();
  showTimeline();
  if (data.similarity) showSimilarity();
  showScores();
  showNotes();
  if (data.downloads.length) {
    place("downloads").append(element("h2", {}, "Files"), downloads(data.downloads));
  }
  player.seek(0);

  // ---- the player -------------------------------------------------------------------------

  // Where we are, for all views. Without audio there is still a playhead to move.
  function makePlayer() {
    const listeners = [];
    const audio = data.sound.url ? element("audio", {
      controls: true, preload: "metadata", src: data.sound.url,
      "aria-label": `Recording: ${data.title}`,
    }) : null;
    let time = 0;

    function moveTo(seconds) {
      time = seconds;
      listeners.forEach((listen) => listen(time));
    }
    function follow() {
      moveTo(audio.currentTime);
      if (!audio.paused) requestAnimationFrame(follow);
    }
    function seek(seconds, { play = false } = {}) {
      moveTo(clamp(seconds, 0, duration));
      if (!audio) return;
      audio.currentTime = time;
      if (play) audio.play().catch(complain);
    }
    function complain(error) {
      // A pause that comes before the sound is no problem to report.
      if (error.name !== "AbortError") showNote(`cannot play: ${error.message}`);
    }
    function showNote(text) {
      place("player").append(element("p", { className: "note", role: "status" }, text));
    }

    if (audio) {
      audio.addEventListener("play", follow);
      audio.addEventListener("seeking", () => moveTo(audio.currentTime));
      audio.addEventListener("error", () => showNote("this browser cannot play the audio file"));
      place("player").append(audio);
      document.addEventListener("keydown", (event) => {
        if (event.key !== " " || event.target !== document.body) return;
        event.preventDefault();
        if (audio.paused) audio.play().catch(complain);
        else audio.pause();
      });
    } else {
      const output = element("output", { className: "clock" });
      listeners.push((now) => { output.textContent = `${clock(now)} / ${clock(duration)}`; });
      place("player").append(output);
      if (data.sound.note) showNote(data.sound.note);
    }
    return { seek, now: () => time, onMove: (listen) => listeners.push(listen) };
  }

  function showNeighbors() {
    for (const [way, neighbor] of [["previous", data.previous], ["next", data.next]]) {
      if (!neighbor) continue;
      const arrow = way === "previous" ? "←" : "→";
      const name = element("span", { className: "neighbor" }, neighbor.title);
      place("neighbors").append(element("a", {
        href: neighbor.url, rel: way === "next" ? "next" : "prev",
        "aria-label": `${way} track: ${neighbor.title}`,
      }, ...(way === "previous" ? [arrow, name] : [name, arrow])));
    }
  }

  // ---- the timeline: waveform, strips and curves over one axis -----------------------------

  function showTimeline() {
    const timeline = place("timeline");
    if (data.waveform) timeline.append(row("waveform", waveform(), "tall"));
    for (const strip of data.references) timeline.append(row(strip.name, stripOf(strip), "reference"));
    for (const strip of data.estimates) timeline.append(row(strip.name, stripOf(strip)));
    for (const curve of data.curves) timeline.append(row(curve.title, curveOf(curve), "curve"));
    timeline.append(row("", timeAxis(linear)));
    const playhead = timeline.querySelector(".playhead");
    player.onMove((time) => { playhead.style.left = `${100 * linear(time)}%`; });
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
    const canvas = drawn((context, width, height, color) => {
      context.fillStyle = color("--wave");
      for (let x = 0; x < width; x++) {
        const first = Math.floor((x * low.length) / width);
        const last = Math.max(first + 1, Math.floor(((x + 1) * low.length) / width));
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
      const x = (time) => linear(time) * width;
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
      for (const time of boundaries) {
        context.globalAlpha = 0.35;
        context.fillRect(x(time) - pixel / 2, 0, pixel, height);
        context.globalAlpha = 1;
        context.beginPath();
        context.arc(x(time), y(interpolate(time, times, heights)), 2.75 * pixel, 0, 2 * Math.PI);
        context.fill();
      }
    });
    return seekable(canvas, title);
  }

  // A canvas that draws itself again when its size or the color scheme changes.
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
    new ResizeObserver(redraw).observe(canvas);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    return canvas;
  }

  // A view along time: a click or the arrow keys move the playhead.
  function seekable(canvas, name) {
    canvas.addEventListener("click", (event) => {
      player.seek((event.offsetX / canvas.clientWidth) * duration);
    });
    return slider(canvas, name);
  }

  // Tell assistive technology where the playhead is, and let the arrow keys move it.
  function slider(canvas, name) {
    const steps = { ArrowLeft: -5, ArrowRight: 5, PageDown: -30, PageUp: 30 };
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
      player.seek(player.now() + steps[event.key]);
    });
    return canvas;
  }

  function stripOf({ name, segments }) {
    const buttons = segments.map((segment) => {
      const [start, end, label] = segment;
      const button = segmentBox("button", segment, data.styles, duration);
      button.type = "button";
      button.tabIndex = -1;
      button.setAttribute("aria-label", `${label}, ${clock(start)} to ${clock(end)}: play`);
      button.append(element("span", {}, label));
      button.addEventListener("click", () => player.seek(start, { play: true }));
      return button;
    });
    buttons[0].tabIndex = 0;
    const strip = element("div", { className: "strip", role: "group", "aria-label": name }, ...buttons);
    strip.addEventListener("keydown", (event) => moveFocus(event, buttons));
    let current = -1;
    player.onMove((time) => {
      const next = segments.findIndex(([start, end]) => start <= time && time < end);
      if (next === current) return;
      buttons[current]?.classList.remove("is-current");
      buttons[next]?.classList.add("is-current");
      current = next;
    });
    return strip;
  }

  // A strip is one stop of the tab key; the arrow keys walk along it.
  function moveFocus(event, buttons) {
    const here = buttons.indexOf(event.target);
    const last = buttons.length - 1;
    const goal = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: last }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    const target = buttons[clamp(goal, 0, last)];
    buttons[here].tabIndex = -1;
    target.tabIndex = 0;
    target.focus();
  }

  // Times along an axis; `along` says at which part of its length a time stands.
  function timeAxis(along, axis = element("div", { className: "axis" }), vertical = false) {
    const rounds = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
    const redraw = () => {
      const room = (vertical ? axis.clientHeight : axis.clientWidth) / (vertical ? 48 : 64);
      const step = rounds.find((round) => duration / round <= room) ?? 7200;
      const ticks = [];
      for (let i = 0; i * step <= duration; i++) {
        const part = `${100 * along(i * step)}%`;
        ticks.push(element("span", { style: vertical ? { top: part } : { left: part } },
          clock(i * step, step)));
      }
      axis.replaceChildren(...ticks);
    };
    new ResizeObserver(redraw).observe(axis);
    return axis;
  }

  // ---- the self-similarity matrix -----------------------------------------------------------

  function showSimilarity() {
    const section = place("similarity");
    section.hidden = false;
    const { edges, url } = data.similarity;
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
    place("overlay").addEventListener("change", redraw);
    new ResizeObserver(redraw).observe(canvas);

    slider(canvas, "Self-similarity, bright is alike");
    canvas.addEventListener("click", (event) => {
      const fraction = event.shiftKey
        ? event.offsetY / canvas.clientHeight : event.offsetX / canvas.clientWidth;
      player.seek(timeAt(clamp(fraction, 0, 1)));
    });
    const hint = "Click: hear the moment below the pointer. Shift-click: the moment beside it.";
    const moments = place("moments");
    moments.textContent = hint;
    canvas.addEventListener("pointermove", (event) => {
      const across = clamp(event.offsetX / canvas.clientWidth, 0, 1);
      const down = clamp(event.offsetY / canvas.clientHeight, 0, 1);
      moments.textContent = `${clock(timeAt(across))} against ${clock(timeAt(down))}`;
    });
    canvas.addEventListener("pointerleave", () => { moments.textContent = hint; });

    const [vertical, horizontal] = section.querySelectorAll(".axis");
    timeAxis(along, vertical, true);
    timeAxis(along, horizontal);
    player.onMove((time) => {
      body.style.setProperty("--at", `${100 * along(time)}%`);
    });
  }

  // Fill the choice of strips; the first estimate is marked at first.
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

  // The value at x of the line through points (xs[i], ys[i]), xs increasing.
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

  // ---- numbers and notes --------------------------------------------------------------------

  function showScores() {
    const { columns, metrics, rows } = data.scores;
    if (!rows.length) {
      place("scores").append(element("h2", {}, "Segments"), segmentCounts());
      return;
    }
    const several = new Set(rows.map((row) => row.reference)).size > 1;
    const names = (row) => [systemName(row), ...(several ? [row.reference] : [])];
    const nameColumns = [{ text: "System" }, ...(several ? [{ text: "Reference" }] : [])];
    const muted = (i) => (rows[i].kind === "system" ? "" : "muted");
    const cell = (row, metric) => {
      const value = row.values[metrics.indexOf(metric)] ?? null;
      return score(value, metric.endsWith("segments") ? 0 : 3);
    };
    const scores = (shown) => table(
      [...nameColumns, ...shown.map(metricColumn)],
      rows.map((row) => [...names(row), ...shown.map((metric) => cell(row, metric))]), muted);
    place("scores").append(element("h2", {}, "Scores"), scores(columns),
      element("details", {}, element("summary", {}, `All ${metrics.length} measures`),
        scores(metrics)));
  }

  function segmentCounts() {
    const columns = [
      { text: "Segmentation" },
      { text: "Segments", number: true },
      { text: "Mean length (s)", number: true },
    ];
    const rows = [...data.references, ...data.estimates].map(({ name, segments }) => {
      const length = segments[segments.length - 1][1] - segments[0][0];
      return [name, String(segments.length), (length / segments.length).toFixed(1)];
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
