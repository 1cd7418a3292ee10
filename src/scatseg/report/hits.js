"use strict";
// The page of a search: the query and every hit, to play and compare.

(() => {
  const { data, element, clock, table, score, soundPlayer, downloads } = page;
  const place = (id) => document.getElementById(id);

  document.title = `${data.title} · scatseg search`;
  place("title").append("What sounds like ", element("bdi", {}, data.title));
  place("subtitle").textContent = excerpt(data.query);
  place("query").append(element("h2", {}, "Query"), soundPlayer(data.query, "Query"));
  place("hits").append(element("h2", {}, `Hits (${data.hits.length})`), listing());
  place("notes").append(...data.notes.map((text) => element("p", { className: "note" }, text)));
  place("downloads").append(element("h2", {}, "Files"), downloads(data.downloads));

  function excerpt({ from, to }) {
    return `${clock(from, 0.01)}–${clock(to, 0.01)}`;
  }

  function listing() {
    if (!data.hits.length) return element("p", { className: "note" }, "No similar passages.");
    const columns = [
      { text: "Rank", number: true },
      { text: "Recording" },
      { text: "Listen" },
      { text: "Similarity", number: true },
      { text: "Timbre", title: "Cosine similarity of spectra and modulations", number: true },
      { text: "Course", title: "Correlation over time", number: true },
      { text: "Why", title: "What is similar, most important first" },
    ];
    const made = table(columns, data.hits.map((hit, i) => [
      String(i + 1), recording(hit), soundPlayer(hit, `Hit ${i + 1}: ${hit.title}`),
      score(hit.similarity), score(hit.timbre), score(hit.course), why(hit),
    ]));
    made.classList.add("hits", "cards");
    const meaning = "Timbre: how alike colors and modulations are on the whole (cosine, −1 to 1). " +
      "Course: whether the same happens at the same moments (correlation, −1 to 1). " +
      "Similarity weighs both, 0 to 1.";
    return element("div", {}, made, element("p", { className: "hint" }, meaning));
  }

  function recording(hit) {
    const tags = [
      ...(hit.semitones ? [moved(hit.semitones)] : []),
      ...(hit.tempo !== 1 ? [`tempo × ${hit.tempo.toFixed(2)}`] : []),
    ];
    return element("div", { className: "track-name" },
      element("div", { title: hit.track }, element("bdi", {}, hit.title)),
      element("div", { className: "hint" }, excerpt(hit)),
      ...tags.map((text) => element("span", { className: "tag" }, text)));
  }

  function moved(semitones) {
    const number = Math.abs(semitones);
    return `${semitones > 0 ? "+" : "−"}${number} ${number === 1 ? "semitone" : "semitones"}`;
  }

  // The first reason, and the others on request.
  function why(hit) {
    const [first, ...others] = hit.alike ?? [];
    const apart = hit.apart ?? [];
    if (!first && !apart.length) return null;
    const lines = (heading, reasons) => reasons.length
      ? [element("h3", {}, heading),
          element("ul", { className: "notes" }, ...reasons.map(({ text }) => element("li", {}, text)))]
      : [];
    const more = others.length + apart.length;
    return element("div", {},
      first ? element("div", {}, `Alike in ${first.text}`) : "",
      more ? element("details", {},
        element("summary", {}, first ? `${more} more` : more === 1 ? "1 difference" : `${more} differences`),
        ...lines("Also alike in", others), ...lines("Differs most in", apart)) : "");
  }
})();
