"""Name and seed -> a short piece of music of known form, for the demo and tests."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scatseg.pieces.mixing import mix
from scatseg.pieces.repertoire import SCORES
from scatseg.pieces.score import perform
from scatseg.rates import check_rate
from scatseg.scattering.arguments import check_integer
from scatseg.segmentation import Segmentation

LOWEST_SR = 8000


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """A piece of music and its form.

    Parameters
    ----------
    name : str
        One of `names()`.
    title : str
        Title for display.
    y : ndarray of float32, shape (n_samples,)
        Mono, peak 0.9; the samples are multiples of 2**-15, so a 16-bit file holds them exactly.
    sr : int
        Sampling rate in Hz.
    form : Segmentation
        Composed form from 0 to the end; inner boundaries are bar lines. Sections with equal labels
        have the same notes, with different timing, velocities and fill.
    beats, downbeats : ndarray of float64
        Times of beats and of downbeats in seconds.
    """

    name: str
    title: str
    y: NDArray[np.float32] = field(repr=False)
    sr: int
    form: Segmentation
    beats: NDArray[np.float64] = field(repr=False)
    downbeats: NDArray[np.float64] = field(repr=False)


def names() -> tuple[str, ...]:
    """Return the names of the pieces.

    Examples
    --------
    >>> names()
    ('aaba', 'verse-chorus', 'rondo', 'through-composed', 'tempo-change', 'waltz')
    """
    return tuple(SCORES)


def compose(name: str, *, sr: int = 22050, seed: int = 0) -> Piece:
    """Compose, perform and mix a piece.

    Parameters
    ----------
    name : str
        One of `names()`.
    sr : int, default 22050
        Sampling rate in Hz, at least 8000.
    seed : int, default 0
        Non-negative. Each seed gives a piece of the same form, chords and instruments, with
        different melodies, figures and fills.

    Raises
    ------
    ValueError
        When no piece has this name, the sampling rate is too low or not a whole number, or the
        seed not an integer of at least 0.

    Examples
    --------
    >>> piece = compose("aaba")
    >>> piece.title, piece.form.labels, round(piece.form.end)
    ('Half Past Blue', ('A', 'A', 'B', 'A'), 59)
    """
    if name not in SCORES:
        msg = f"a piece is one of {', '.join(SCORES)}, got {name!r}"
        raise ValueError(msg)
    check_rate(sr)
    if sr < LOWEST_SR:
        msg = f"the instruments need a sampling rate of at least {LOWEST_SR} Hz, got {sr}"
        raise ValueError(msg)
    check_integer("seed", seed, 0)
    composer, players = np.random.default_rng([seed, *name.encode()]).spawn(2)
    score = SCORES[name](composer)
    played = perform(score, players)
    sr = int(sr)
    y = mix(played.events, duration=played.boundaries[-1], reverb=score.reverb, sr=sr)
    boundaries = [*played.boundaries[:-1], y.size / sr]
    return Piece(
        name=name,
        title=score.title,
        y=y,
        sr=sr,
        form=Segmentation(boundaries, [section.label for section in score.sections]),
        beats=played.beats,
        downbeats=played.downbeats,
    )
