"use strict";
// The page of matched sounds: the targets and the result of each descent, to compare.

(() => {
  const {
    data, folderName, element, table, makeSortable, pictures, soundPlayer, typeset, downloads,
  } = page;
  const place = (id) => document.getElementById(id);
  const withUnit = ({ name, unit }) => (unit ? `${name} (${unit})` : name);
  const known = data.parameters.every(({ truth }) => truth !== null);

  const title = ["Matched sounds", folderName()].filter(Boolean).join(": ");
  document.title = `${title} · scatseg`;
  place("title").textContent = title;
  place("subtitle").textContent = known
    ? `Target parameters: ${data.parameters.map(({ name, unit, truth }) => `${name} ${digits(truth)} ${unit}`).join(", ")}`
    : "The target is a recording with unknown parameters";
  place("targets").append(...data.targets.map((target) =>
    element("div", { className: "target" },
      element("span", {}, targetName(target)), soundPlayer(target, targetName(target)))));
  place("descents").append(element("h2", {}, `Descents (${data.rows.length})`), listing(), ...hints());
  if (data.figures.length) {
    place("figures").append(element("h2", {}, "Figures"), pictures(data.figures));
  }
  place("downloads").append(element("h2", {}, "Files"), downloads(data.downloads));

  function digits(value) {
    return typeset(String(Number(value.toPrecision(4))));
  }

  function milliseconds(shift) {
    return data.targets.find((target) => target.shift === shift).ms;
  }

  function targetName({ shift, ms }) {
    return shift ? `Target, delayed by ${shift} samples (${digits(ms)} ms)` : "Target";
  }

  function listing() {
    const columns = [
      { text: "Loss", of: (row) => row.loss },
      { text: "Delay (ms)", number: true, of: (row) => row.shift },
      { text: "Start" },
      { text: "Result" },
      { text: "Lowest loss", number: true, of: (row) => row.lowest },
      ...data.parameters.map((parameter, i) => ({
        text: withUnit(parameter), number: true,
        of: (row) => (row.errors[i] === null ? row.theta[i] : Math.abs(row.errors[i])),
      })),
    ];
    const made = table(columns, data.rows.map((row, k) => [
      row.loss,
      digits(milliseconds(row.shift)),
      soundPlayer(row.start, `Start of descent ${k + 1}, ${row.loss}`),
      soundPlayer(row.end, `Result of descent ${k + 1}, ${row.loss}`),
      digits(row.lowest),
      ...row.theta.map((value, i) => parameterCell(row, value, i)),
    ]), (k) => (known && !data.rows[k].found ? "muted" : ""));
    made.classList.add("descents", "cards");
    return makeSortable(made, columns, data.rows);
  }

  function parameterCell(row, value, i) {
    const { name, errorUnit } = data.parameters[i];
    const off = [
      ...(row.errors[i] === null ? [] : [`${signed(row.errors[i])} ${errorUnit}`]),
      ...(row.wrongSigns.includes(name) ? ["wrong sign"] : []),
      ...(row.atBounds.includes(name) ? ["at its bound"] : []),
    ];
    return element("div", {}, digits(value), element("div", { className: "spread" }, off.join(", ")));
  }

  function signed(error) {
    const size = Math.abs(error).toFixed(3);
    return Number(size) ? (error < 0 ? "−" : "+") + size : size;
  }

  function hints() {
    const texts = [
      ...(known ? ["Below each value: its error in magnitude, result minus target. "
        + `Gray: a parameter has an error above ${data.within} or the wrong sign.`] : []),
      ...(data.rows.some(({ atBounds }) => atBounds.length)
        ? ["At its bound: the target may lie outside the range of the parameter."] : []),
    ];
    return texts.length ? [element("p", { className: "hint" }, texts.join(" "))] : [];
  }
})();
