"""How far a command is, on standard error. The door to tqdm."""

from __future__ import annotations

import sys

import click
from tqdm import tqdm


class Progress:
    """One line per track on standard error: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, total: int, verbosity: int) -> None:
        self._total, self._done, self._verbosity = total, 0, verbosity
        bar = verbosity >= 0 and sys.stderr.isatty()
        self._bar = tqdm(total=total, unit="track", file=sys.stderr) if bar else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self, text: str, *, important: bool = False) -> None:
        """Count a track, and say what became of it."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
            if important or self._verbosity > 0:
                self._bar.write(text, file=sys.stderr)
        elif important or self._verbosity >= 0:
            click.echo(f"[{self._done}/{self._total}] {text}", err=True)
