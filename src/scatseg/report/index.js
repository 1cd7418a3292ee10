"use strict";
// The index page: scores, tracks, failures and configuration of a run.

(() => {
  const {
    data, folderName, element, clock, table, makeSortable, segmentBox, metricColumn, score, fixed,
    systemName, pictures, downloads,
  } = page;
  const place = (id) => document.getElementById(id);

  // Titles of several tracks, such as "01 Intro" of two albums.
  const titles = new Set();
  const shared = new Set();
  for (const { title } of data.tracks) (titles.has(title) ? shared : titles).add(title);

  const name = folderName();
  document.title = `${name ? `${name}: ` : ""}${data.counts} · scatseg`;
  place("title").textContent = name || "scatseg";
  place("subtitle").append(...subtitle());
  place("summary").append(...summary());
  place("figures").append(...figures());
  place("tracks").append(...tracks());
  place("failures").append(...failures());
  place("setup").append(...setup());

  function subtitle() {
    const seconds = data.tracks.reduce((sum, row) => sum + row.duration, 0);
    const failed = data.failures.length;
    return [
      data.tracks.length ? element("a", { href: "#tracks" }, data.counts) : data.counts,
      ...(seconds ? [` · ${clock(seconds)} of music`] : []),
      ...(failed ? [" · ", element("a", { href: "#failures" }, `${failed} failed`)] : []),
    ];
  }

  function summary() {
    if (data.summary.length) return data.summary.flatMap(levelScores);
    const outdated = data.outdated
      ? [element("h2", {}, "Scores"), element("p", { className: "note", role: "status" },
          `The scores are outdated, and left out. ${data.outdated}.`)]
      : [];
    if (!data.systems.length) return outdated;
    const columns = [
      { text: "System" },
      { text: "Tracks", number: true },
      { text: "Segments", number: true },
      { text: "Mean length (s)", number: true },
    ];
    const rows = data.systems.map((row) =>
      [row.system, String(row.tracks), fixed(row.segments, 1), fixed(row.length, 1)]);
    return [...outdated, element("h2", {}, "Systems"), table(columns, rows),
      ...(outdated.length ? []
        : [element("p", { className: "hint" }, "No references: nothing was scored.")])];
  }

  function levelScores(level) {
    const pooled = level.rows.filter((row) => !row.annotator && !row.group);
    const single = level.rows.filter((row) => row.annotator);
    const grouped = level.rows.filter((row) => row.group);
    const count = level.segments === null ? ""
      : ` The references have ${fixed(level.segments, 1)} segments on average.`;
    const bold = pooled.some((row) => row.cells.some(({ best }) => best))
      ? "; the best system in bold" : "";
    const more = [
      ["By annotator", single.length && scoreTable(level.columns, single, "annotator")],
      [`By ${data.groupBy}`, grouped.length && scoreTable(level.columns, grouped, "group")],
      ["Differences between systems", level.comparisons.length && comparisons(level.comparisons)],
    ];
    return [
      element("h2", {}, level.title),
      scoreTable(level.columns, pooled),
      element("p", { className: "hint" },
        `Mean over tracks [95 % bootstrap interval]${bold}.${count} ${level.note}`),
      ...more.filter(([, content]) => content).map(([heading, content]) =>
        element("details", {}, element("summary", {}, heading), content)),
    ];
  }

  // Scores of systems; `by` is "annotator" or "group" if rows also differ in that.
  function scoreTable(metrics, rows, by) {
    const columns = [
      { text: "System", of: (row) => row.system.toLowerCase() },
      ...(by ? [{ text: by === "group" ? data.groupBy : "Annotator", of: (row) => row[by] }] : []),
      { text: "Tracks", number: true, of: (row) => row.tracks },
      ...metrics.map((metric, i) => ({ ...metricColumn(metric), of: (row) => row.cells[i].mean })),
    ];
    const cells = rows.map((row) => [
      systemName(row),
      ...(by ? [row[by]] : []),
      String(row.tracks),
      ...row.cells.map((cell, i) => meanCell(cell, metrics[i] === "Estimated segments" ? 1 : 3)),
    ]);
    const made = table(columns, cells, (i) => (rows[i].kind === "system" ? "" : "muted"));
    made.classList.add("scores");
    return makeSortable(made, columns, rows);
  }

  function meanCell({ mean, low, high, best, median }, digits) {
    if (mean === null) return null;
    const number = element(best ? "strong" : "span", {}, score(mean, digits));
    if (low === null) return number;
    const few = Math.min(digits, 2);
    const interval = element("span", { className: "spread" },
      ` [${score(low, few)}, ${score(high, few)}]`);
    return element("span", { title: `median ${score(median, digits)}` }, number, interval);
  }

  function comparisons(rows) {
    const columns = [
      { text: "Metric", of: (row) => row.metric },
      { text: "System", of: (row) => row.system.toLowerCase() },
      { text: "Against", of: (row) => row.other.toLowerCase() },
      { text: "Tracks", number: true, of: (row) => row.tracks },
      { text: "Difference", number: true, of: (row) => row.difference },
      { text: "p", title: "Wilcoxon signed-rank test, Holm-adjusted", number: true,
        of: (row) => row.p },
      { text: "Wins / ties / losses", number: true, of: (row) => row.outcomes[0] },
    ];
    const cells = rows.map((row) => [
      metricColumn(row.metric).text,
      row.system,
      row.other,
      String(row.tracks),
      difference(row),
      row.p < 0.001 ? "< 0.001" : score(row.p),
      row.outcomes.join(" / "),
    ]);
    const made = table(columns, cells, (i) => (rows[i].baseline ? "muted" : ""));
    return makeSortable(made, columns, rows);
  }

  function difference({ difference, low, high }) {
    const signed = (value, digits) => (value < 0 ? "−" : "+") + score(Math.abs(value), digits);
    if (low === null) return signed(difference, 3);
    return element("span", {}, signed(difference, 3),
      element("span", { className: "spread" }, ` [${signed(low, 2)}, ${signed(high, 2)}]`));
  }

  function figures() {
    return data.figures.length ? [element("h2", {}, "Figures"), pictures(data.figures)] : [];
  }

  function failures() {
    if (!data.failures.length) return [];
    const columns = [{ text: "Track" }, { text: "Stage" }, { text: "Error" }];
    return [element("h2", {}, `Failures (${data.failures.length})`),
      table(columns, data.failures)];
  }

  function tracks() {
    if (!data.tracks.length) {
      return data.summary.length ? [] : [element("p", { className: "note" }, "There is nothing to show: nothing succeeded.")];
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
    makeSortable(listing, keys, data.tracks);
    const scored = data.summary.length
      ? [element("p", { className: "hint" },
          `Scores of ${data.default}, mean over each track's references.`)]
      : [];
    const none = element("p", { className: "hint", role: "status", hidden: true },
      "No track has that in its name.");
    return [element("div", { className: "section-head" }, element("h2", {}, "Tracks"),
      ...(rows.length > 8 ? [filterBox(rows, none)] : [])), listing, none, ...scored];
  }

  function trackCells(row) {
    const name = element("span", { className: "track-name" },
      element("a", { href: row.url }, row.title));
    if (row.warnings) {
      const text = row.warnings === 1 ? "1 warning" : `${row.warnings} warnings`;
      name.append(" ", element("span", { className: "tag warning" }, text));
    }
    if (shared.has(row.title)) name.append(element("div", { className: "track-id" }, row.id));
    return [
      name,
      form(row),
      clock(row.duration),
      row.segments === null ? null : String(row.segments),
      ...(data.summary.length ? row.scores.map((value) => score(value)) : []),
    ];
  }

  // Small strips of the first reference and the default system.
  function form(row) {
    return element("div", { className: "form" }, ...row.strips.map((strip) =>
      element("div", {
        className: "strip",
        role: "img",
        "aria-label": `${strip.name}: ${strip.segments.map((segment) => segment[2]).join(" ")}`,
      }, ...strip.segments.map((segment) => segmentBox("i", segment, row.styles, row.duration)))));
  }

  function filterBox(rows, none) {
    // Accents, which decomposition makes characters of their own, need not be typed.
    const folded = (text) =>
      text.toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "");
    const box = element("input", {
      type: "search", placeholder: "Find a track", "aria-label": "Find a track",
    });
    const filter = () => {
      const wanted = folded(box.value.trim());
      rows.forEach((row, i) => {
        // The id holds the folders.
        const { title, id } = data.tracks[i];
        row.hidden = !folded(title).includes(wanted) && !folded(id).includes(wanted);
      });
      none.hidden = rows.some((row) => !row.hidden);
    };
    box.addEventListener("input", filter);
    // The way back from a track restores the text.
    window.addEventListener("pageshow", filter);
    return box;
  }

  function setup() {
    const facts = (heading, rows) => rows.length
      ? [element("div", {}, element("h3", {}, heading),
          element("dl", {}, ...rows.flatMap(([name, value]) =>
            [element("dt", {}, name), element("dd", {}, value)])))]
      : [];
    const groups = [...facts("Options", data.options), ...facts("Evaluation", data.evaluation),
      ...facts("Versions", data.versions)];
    return [
      ...(groups.length
        ? [element("h2", {}, "Configuration"), element("div", { className: "facts" }, ...groups)]
        : []),
      ...(data.downloads.length ? [element("h2", {}, "Files"), downloads(data.downloads)] : []),
    ];
  }
})();
