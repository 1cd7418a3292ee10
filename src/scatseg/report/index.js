"use strict";
// The index page: the run's scores, its tracks, its failures, and what was run.

(() => {
  const { data, element, clock, table, segmentBox, metricColumn, score, systemName, downloads } = page;
  const place = (id) => document.getElementById(id);

  document.title = `${data.title} · scatseg`;
  place("title").textContent = data.title;
  place("subtitle").append(...subtitle());
  place("summary").append(...summary());
  place("tracks").append(...tracks());
  place("failures").append(...failures());
  place("setup").append(...setup());

  function subtitle() {
    const seconds = data.tracks.reduce((sum, row) => sum + row.duration, 0);
    const failed = data.failures.length;
    return [
      ...(seconds ? [`${clock(seconds)} of music`] : []),
      ...(seconds && failed ? [" · "] : []),
      ...(failed ? [element("a", { href: "#failures" }, `${failed} failed`)] : []),
    ];
  }

  function summary() {
    if (data.summary.length) return data.summary.flatMap(levelScores);
    if (!data.systems.length) return [];
    const columns = [
      { text: "System" },
      { text: "Tracks", number: true },
      { text: "Segments", number: true },
      { text: "Mean length (s)", number: true },
    ];
    const rows = data.systems.map((row) =>
      [row.system, String(row.tracks), row.segments.toFixed(1), row.length.toFixed(1)]);
    return [element("h2", {}, "Systems"), table(columns, rows),
      element("p", { className: "hint" }, "No references: nothing was scored.")];
  }

  function levelScores(level) {
    const pooled = level.rows.filter((row) => !row.annotator);
    const single = level.rows.filter((row) => row.annotator);
    const parts = [
      element("h2", {}, level.name ? `Scores, level ${level.name}` : "Scores"),
      scoreTable(level.columns, pooled, false),
    ];
    const count = level.segments === null ? ""
      : ` The references have ${level.segments.toFixed(1)} segments on average.`;
    parts.push(element("p", { className: "hint" },
      `Mean over tracks ± standard deviation; the best system in bold.${count}`));
    if (single.length) {
      parts.push(element("details", {}, element("summary", {}, "By annotator"),
        scoreTable(level.columns, single, true)));
    }
    return parts;
  }

  function scoreTable(metrics, rows, withAnnotator) {
    const columns = [
      { text: "System" },
      ...(withAnnotator ? [{ text: "Annotator" }] : []),
      { text: "Tracks", number: true },
      ...metrics.map(metricColumn),
    ];
    const cells = rows.map((row) => [
      systemName(row),
      ...(withAnnotator ? [row.annotator] : []),
      String(row.tracks),
      ...row.cells.map((cell, i) => meanCell(cell, metrics[i] === "Estimated segments" ? 1 : 3)),
    ]);
    return table(columns, cells, (i) => (rows[i].kind === "system" ? "" : "muted"));
  }

  function meanCell({ mean, std, best }, digits) {
    if (mean === null) return null;
    const number = element(best ? "strong" : "span", {}, score(mean, digits));
    if (std === null) return number;
    const spread = element("span", { className: "spread" }, ` ±${score(std, Math.min(digits, 2))}`);
    return element("span", {}, number, spread);
  }

  function failures() {
    if (!data.failures.length) return [];
    const columns = [{ text: "Track" }, { text: "Stage" }, { text: "Error" }];
    return [element("h2", {}, `Failures (${data.failures.length})`),
      table(columns, data.failures)];
  }

  function tracks() {
    if (!data.tracks.length) {
      return [element("p", { className: "note" }, "No track of this run succeeded.")];
    }
    const keys = [
      { text: "Track", of: (row) => row.title.toLowerCase() },
      { text: "Form" },
      { text: "Duration", number: true, of: (row) => row.duration },
      { text: "Segments", number: true, of: (row) => row.segments },
      ...(data.summary.length ? data.columns.map((metric, i) =>
        ({ ...metricColumn(metric), of: (row) => row.scores[i] })) : []),
    ];
    const listing = table(keys, data.tracks.map(trackCells));
    listing.classList.add("tracks");
    const rows = [...listing.querySelectorAll("tbody tr")];
    makeSortable(listing, keys, rows);
    const scored = data.summary.length
      ? [element("p", { className: "hint" },
          `Scores of ${data.default}, mean over each track's references.`)]
      : [];
    return [element("div", { className: "section-head" }, element("h2", {}, "Tracks"),
      ...(rows.length > 8 ? [filterBox(rows)] : [])), listing, ...scored];
  }

  function trackCells(row) {
    const name = element("span", { className: "track-name" },
      element("a", { href: row.url }, row.title));
    if (row.warnings) {
      const text = row.warnings === 1 ? "1 warning" : `${row.warnings} warnings`;
      name.append(" ", element("span", { className: "tag warning" }, text));
    }
    return [
      name,
      form(row),
      clock(row.duration),
      row.segments === null ? null : String(row.segments),
      ...(data.summary.length ? row.scores.map((value) => score(value)) : []),
    ];
  }

  // The first reference above the default system, small.
  function form(row) {
    return element("div", { className: "form" }, ...row.strips.map((strip) =>
      element("div", {
        className: "strip",
        role: "img",
        "aria-label": `${strip.name}: ${strip.segments.map((segment) => segment[2]).join(" ")}`,
      }, ...strip.segments.map((segment) => segmentBox("i", segment, row.styles, row.duration)))));
  }

  function makeSortable(listing, keys, rows) {
    const body = listing.querySelector("tbody");
    const heads = [...listing.querySelectorAll("th")];
    heads.forEach((head, column) => {
      const { text, number, of } = keys[column];
      if (!of) return;
      const button = element("button", { type: "button", className: "sort" }, text);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const falling = number ? now !== "descending" : now === "ascending";
        const order = data.tracks.map((row, i) => [of(row), i])
          .sort(([a, i], [b, j]) => compare(a, b, falling) || i - j);
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        body.append(...order.map(([, i]) => rows[i]));
      });
      head.replaceChildren(button);
    });
  }

  // What is missing comes last, whichever way the others go.
  function compare(a, b, falling) {
    if (a === null || b === null) return (a === null) - (b === null);
    return (falling ? -1 : 1) * (a < b ? -1 : a > b ? 1 : 0);
  }

  function filterBox(rows) {
    const box = element("input", {
      type: "search", placeholder: "Find a track", "aria-label": "Find a track",
    });
    box.addEventListener("input", () => {
      const wanted = box.value.toLowerCase();
      rows.forEach((row, i) => {
        row.hidden = !data.tracks[i].title.toLowerCase().includes(wanted);
      });
    });
    return box;
  }

  function setup() {
    const facts = (heading, rows) => rows.length
      ? [element("div", {}, element("h3", {}, heading),
          element("dl", {}, ...rows.flatMap(([name, value]) =>
            [element("dt", {}, name), element("dd", {}, value)])))]
      : [];
    const groups = [...facts("Options", data.options), ...facts("Versions", data.versions)];
    return [
      ...(groups.length
        ? [element("h2", {}, "What was run"), element("div", { className: "facts" }, ...groups)]
        : []),
      ...(data.downloads.length ? [element("h2", {}, "Files"), downloads(data.downloads)] : []),
    ];
  }
})();
