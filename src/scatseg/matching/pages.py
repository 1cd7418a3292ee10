"""Descents to compare by ear: sounds, and a page that plays them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scatseg import audio
from scatseg.formats import atomic_write
from scatseg.matching.runs import Descent
from scatseg.matching.tasks import Task

_PEAK = 0.9
"""Of full scale: how loud the loudest of the sounds is written."""


def write_listening_page(out: Path, descents: Sequence[Descent], task: Task) -> Path:
    """Write index.html and the sounds it plays: the targets, the starts, and where each led."""
    sounds = {f"target-{s}": task.target(s).numpy() for s in {d.shift: None for d in descents}}
    starts = list(dict.fromkeys(each.match.trajectory[0].tobytes() for each in descents))
    rows = []
    for k, each in enumerate(descents):
        start, end = each.match.trajectory[0], f"end-{k}"
        begin = f"start-{starts.index(start.tobytes())}"
        for name, theta in ((begin, start), (end, each.match.theta)):
            if name not in sounds:
                played = task.synth(torch.from_numpy(theta).float())
                sounds[name] = played.numpy(force=True)
        errors = [f"{e:+.3f}" for e in each.errors(task.parameters).values() if e is not None]
        names = (f"target-{each.shift}", begin, end)
        rows.append(
            [
                *(each.loss, str(each.shift)),
                *(f"sounds/{name}.flac" for name in names),
                *(f"{value:.4g}" for value in each.match.theta),
                *errors,
            ]
        )
    write_sounds(out / "sounds", sounds, task.synth.sr)
    parameters = [each.name for each in task.parameters]
    off = [f"{name} off by" for name in parameters] if task.truth is not None else []
    head = ["loss", "delay", "target", "start", "result", *parameters, *off]
    page = out / "index.html"
    atomic_write(page, listening_page("Sounds matched", head, rows).encode())
    return page


def listening_page(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a page with a table, in which the names of .flac files are players."""
    body = "\n".join(
        "<tr>" + "".join(f"<td>{_cell(text)}</td>" for text in row) + "</tr>" for row in rows
    )
    columns = "".join(f"<th>{html.escape(text)}</th>" for text in head)
    return _PAGE.format(title=html.escape(title), columns=columns, body=body)


def _cell(text: str) -> str:
    escaped = html.escape(text)
    if text.endswith(".flac"):
        return f'<audio controls preload="none" src="{escaped}"></audio>'
    return escaped


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #16191d; background: #fff }}
table {{ border-collapse: collapse }}
th, td {{ padding: .3rem .8rem; text-align: left; border-bottom: 1px solid #e8eaed }}
audio {{ height: 2rem; max-width: 16rem }}
@media (prefers-color-scheme: dark) {{ body {{ color: #e8eaed; background: #16191d }}
th, td {{ border-color: #3a4148 }} }}
</style>
<h1>{title}</h1>
<table>
<thead><tr>{columns}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</html>
"""


def write_sounds(folder: Path, sounds: Mapping[str, NDArray[np.floating]], sr: int) -> None:
    """Write sounds as .flac, all scaled alike, so that the loudest just fits."""
    folder.mkdir(parents=True, exist_ok=True)
    peak = max(float(np.abs(y).max()) for y in sounds.values())
    scale = _PEAK / peak if peak else 1.0
    for name, y in sounds.items():
        audio.save(folder / f"{name}.flac", y * scale, sr)
