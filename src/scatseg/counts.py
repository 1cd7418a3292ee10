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


def rounded(value: float, digits: int = 3) -> str:
    """Format with `digits` significant digits, without an exponent below a million.

    Examples
    --------
    >>> rounded(4332.7), rounded(11025, 4), rounded(2.8)
    ('4330', '11020', '2.8')
    """
    return f"{float(f'{value:.{digits}g}'):g}"
