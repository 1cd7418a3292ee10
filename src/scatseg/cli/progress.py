"""Progress on standard error. The only user of tqdm."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

import click
from tqdm import tqdm

if TYPE_CHECKING:
    from scatseg.workers import Receipt


Item = TypeVar("Item")


def followed(
    items: Iterable[Item], total: int, verbosity: int, *, unit: str = "track"
) -> Iterable[Item]:
    """Iterate over tracks, or other units, with a progress bar if standard error is a terminal."""
    shown = verbosity >= 0 and sys.stderr.isatty()
    bar: Iterable[Item] = tqdm(
        items, total=total, unit=unit, file=sys.stderr, leave=False, disable=not shown
    )
    return bar


class Progress:
    """Progress on standard error: a bar on a terminal, one line per track elsewhere.

    Other units than tracks are named on the bar.
    """

    def __init__(self, total: int, verbosity: int, *, unit: str = "track") -> None:
        self._total, self._done, self._verbosity = total, 0, verbosity
        bar = verbosity >= 0 and sys.stderr.isatty()
        self._bar = tqdm(total=total, unit=unit, file=sys.stderr) if bar else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self, text: str, *, important: bool = False) -> None:
        """Count a track, or another unit, and report its outcome."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
            if important or self._verbosity > 0:
                self._bar.write(text, file=sys.stderr)
        elif important or self._verbosity >= 0:
            click.echo(f"[{self._done}/{self._total}] {text}", err=True)

    def tell(self, receipt: Receipt) -> None:
        """Count a track and report its outcome, the failures of its parts, and its warnings."""
        failed = receipt.failure
        what = f"{failed.stage}: {failed.error}" if failed else receipt.status
        text = f"{receipt.track}: {what} ({receipt.seconds:.1f} s)"
        self.step(text, important=failed is not None)
        for each in receipt.partial:
            self._say(f"{each.track}: {each.stage}: {each.error}")
        self.warn(receipt.track, receipt.warnings)

    def warn(self, track: str, warnings: Iterable[str]) -> None:
        """Print the warnings of a track, one per line, unless quiet."""
        if self._verbosity < 0:
            return
        for warning in warnings:
            self._say(f"{track}: warning: {warning}")

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            click.echo(text, err=True)
