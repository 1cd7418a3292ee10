"use strict";
// The player of a track: its position is that of all views. Without audio it can still be moved.

const player = (() => {
  const { data, element, clock, clamp, tellUnplayable, linkTime } = page;
  const { duration } = data;
  const box = document.getElementById("player");
  const listeners = [];
  const audio = data.sound.url ? element("audio", {
    controls: true, preload: "metadata", src: data.sound.url,
    "aria-label": `Recording: ${data.title}`,
  }) : null;
  let time = 0;
  let held = null;

  function moveTo(seconds) {
    time = seconds;
    listeners.forEach((listen) => listen(time));
  }

  function follow() {
    turnBack();
    moveTo(audio.currentTime);
    if (!audio.paused) requestAnimationFrame(follow);
  }

  function seek(seconds, { play = false } = {}) {
    moveTo(clamp(seconds, 0, duration));
    linkTime(time);
    if (!audio) return;
    audio.currentTime = time;
    changeRepeated();
    if (play) start();
  }

  function start() {
    audio.play().catch(complain);
  }

  function complain(error) {
    // A pause before playback has started is not an error; a file that is missing was told.
    if (error.name !== "AbortError" && !audio.error) showNote(`cannot play: ${error.message}`);
  }

  function showNote(text) {
    box.append(element("p", { className: "note", role: "status" }, text));
  }

  // ---- sections, which are [start, end, label, style] of a strip, and their repetition ---------

  const strips = [...data.estimates, ...data.references];
  const sections = new Map();
  const repeater = element("button", {
    type: "button", className: "small", title: "Key: L", "aria-pressed": "false",
    "aria-keyshortcuts": "L",
  }, "Repeat section");
  const told = element("output", { className: "hint" });
  let repeated = null;
  // Whose sections are repeated: those of the strip last played from.
  let [chosen] = strips;

  // Let a button play a section.
  function plays(button, section, strip) {
    sections.set(button, [section, strip]);
    button.classList.toggle("is-repeated", section === repeated);
    button.addEventListener("click", () => {
      chosen = strip;
      if (repeated) repeat(section);
      seek(section[0], { play: true });
    });
  }

  // Repeat a section, or none.
  function repeat(section) {
    repeated = section;
    repeater.setAttribute("aria-pressed", String(section !== null));
    const name = strips.length > 1 ? `, of ${chosen.name}` : "";
    told.textContent = section
      ? `Repeats ${section[2]}, ${clock(section[0])} to ${clock(section[1])}${name}`
      : "Repeat is off";
    for (const [button, [own]] of sections) button.classList.toggle("is-repeated", own === section);
  }

  // Repeat the section of the button in focus, if it is of one, else that at the playhead; or no
  // longer.
  function toggleRepeat(button) {
    const [section, strip] = sections.get(button) ?? [repeated ?? sectionAt(time), chosen];
    chosen = strip;
    if (section === repeated) {
      repeat(null);
      return;
    }
    repeat(section);
    if (!isRepeated(time)) seek(section[0], { play: true });
  }

  function sectionAt(seconds) {
    return chosen.segments.findLast(([from]) => from <= seconds) ?? chosen.segments[0];
  }

  // Browsers may round the time that they seek.
  function isRepeated(seconds) {
    const [from, to] = repeated;
    return from - 0.01 <= seconds && seconds < to;
  }

  // Who goes elsewhere has the section there repeated.
  function changeRepeated() {
    if (repeated && !isRepeated(time)) repeat(sectionAt(time));
  }

  // From the end of the repeated section to its start, unless a position behind it is sought.
  function turnBack() {
    if (!repeated || audio.seeking) return;
    if (audio.ended || audio.currentTime >= repeated[1]) [audio.currentTime] = repeated;
  }

  // ---- keys -----------------------------------------------------------------------------------

  function act(event) {
    const { key, target, repeat: isHeld } = event;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (key === " ") toggleBySpace(event);
    if (key.toLowerCase() !== "l" || !repeater.isConnected || target.closest("input, select")) return;
    event.preventDefault();
    if (!isHeld) toggleRepeat(target);
  }

  // Space plays and pauses, also with focus on a view or on the current segment; any other button
  // keeps its own action.
  function toggleBySpace(event) {
    const { target, repeat: isHeld } = event;
    if (target !== document.body && !target.closest("canvas, .is-current")) return;
    event.preventDefault();
    held = target;
    if (isHeld) return;
    if (audio.paused) start();
    else audio.pause();
  }

  if (audio) {
    audio.addEventListener("play", follow);
    audio.addEventListener("seeking", () => {
      moveTo(audio.currentTime);
      changeRepeated();
    });
    for (const rest of ["seeking", "pause"]) {
      audio.addEventListener(rest, () => linkTime(audio.currentTime));
    }
    // Pages in the background are not animated, so cannot follow.
    audio.addEventListener("timeupdate", turnBack);
    audio.addEventListener("ended", () => {
      turnBack();
      if (repeated) start();
    });
    box.append(audio);
    if (chosen) {
      const row = element("div", { className: "repeat" }, repeater, told);
      repeater.addEventListener("click", () => toggleRepeat());
      box.append(row);
    }
    tellUnplayable(audio, data.sound.url, () => box.querySelector(".repeat")?.remove());
    document.addEventListener("keydown", act);
    // Some browsers click a button when Space is released.
    document.addEventListener("keyup", (event) => {
      if (event.key === " " && event.target === held) event.preventDefault();
      held = null;
    });
  } else {
    const output = element("output", { className: "clock" });
    listeners.push((now) => { output.textContent = `${clock(now)} / ${clock(duration)}`; });
    box.append(output);
    if (data.sound.note) showNote(data.sound.note);
  }

  return {
    seek, plays, now: () => time, onMove: (listen) => listeners.push(listen), isSilent: !audio,
  };
})();
