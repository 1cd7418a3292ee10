"""Counts with singular or plural nouns, for messages."""

from __future__ import annotations


def counted(number: int, one: str, several: str | None = None) -> str:
    """Format a count with its noun.

    Parameters
    ----------
    number : int
        The count.
    one : str
        Singular.
    several : str, optional
        Plural; by default, the singular with an "s".

    Examples
    --------
    >>> counted(1, "track"), counted(1234, "track"), counted(0, "boundary", "boundaries")
    ('1 track', '1,234 tracks', '0 boundaries')
    """
    word = one if number == 1 else several or f"{one}s"
    return f"{number:,} {word}"
