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
    moveTo(audio.currentTime);
    if (!audio.paused) requestAnimationFrame(follow);
  }

  function seek(seconds, { play = false } = {}) {
    moveTo(clamp(seconds, 0, duration));
    linkTime(time);
    if (!audio) return;
    audio.currentTime = time;
    if (play) audio.play().catch(complain);
  }

  // Space plays and pauses, also with focus on a view or on the current segment; any other button
  // keeps its own action.
  function toggleBySpace(event) {
    const { key, target, repeat } = event;
    if (key !== " " || event.ctrlKey || event.altKey || event.metaKey) return;
    if (target !== document.body && !target.closest("canvas, .is-current")) return;
    event.preventDefault();
    held = target;
    if (repeat) return;
    if (audio.paused) audio.play().catch(complain);
    else audio.pause();
  }

  function complain(error) {
    // A pause before playback has started is not an error; a file that is missing was told.
    if (error.name !== "AbortError" && !audio.error) showNote(`cannot play: ${error.message}`);
  }

  function showNote(text) {
    box.append(element("p", { className: "note", role: "status" }, text));
  }

  if (audio) {
    audio.addEventListener("play", follow);
    audio.addEventListener("seeking", () => moveTo(audio.currentTime));
    for (const rest of ["seeking", "pause"]) {
      audio.addEventListener(rest, () => linkTime(audio.currentTime));
    }
    box.append(audio);
    tellUnplayable(audio, data.sound.url);
    document.addEventListener("keydown", toggleBySpace);
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

  return { seek, now: () => time, onMove: (listen) => listeners.push(listen) };
})();
