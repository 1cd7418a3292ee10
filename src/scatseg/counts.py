"""A number and what it counts -> words for messages."""

from __future__ import annotations


def counted(number: int, one: str, several: str | None = None) -> str:
    """Say how many there are of something.

    Parameters
    ----------
    number : int
        How many.
    one : str
        What one of them is called.
    several : str, optional
        What others than one are called; with an "s" at the end when absent.

    Examples
    --------
    >>> counted(1, "track"), counted(1234, "track"), counted(0, "boundary", "boundaries")
    ('1 track', '1,234 tracks', '0 boundaries')
    """
    word = one if number == 1 else several or f"{one}s"
    return f"{number:,} {word}"
