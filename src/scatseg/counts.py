"""Counts, lists, numbers and names in messages."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


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


def named_first(names: Sequence[str], most: int = 5) -> str:
    """Name the first few, and count the others.

    Examples
    --------
    >>> named_first(["one", "two"]), named_first(["one", "two", "three"], most=1)
    ('one, two', 'one and 2 more')
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def one_line(text: str) -> str:
    r"""Escape line breaks and all else that cannot be printed, as names of files may contain.

    Spaces and joiners of any script are kept.

    Examples
    --------
    >>> one_line("take\n1.wav: no audio")
    'take\\n1.wav: no audio'
    >>> one_line("さくら\u3000さくら.wav") == "さくら\u3000さくら.wav"
    True
    """
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in _UNPRINTABLE else c
        for c in text
    )


_UNPRINTABLE = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of controls, surrogates, private and unassigned characters, and line separators."""


def rounded(value: float, digits: int = 3) -> str:
    """Format with `digits` significant digits, without an exponent below a million.

    Examples
    --------
    >>> rounded(4332.7), rounded(11025, 4), rounded(2.8)
    ('4330', '11020', '2.8')
    """
    return f"{float(f'{value:.{digits}g}'):.{max(digits, 6)}g}"


def told_apart(one: float, other: float, digits: int = 3) -> tuple[str, str]:
    """Format two numbers with `digits` significant digits, or as many as it takes to differ.

    Examples
    --------
    >>> told_apart(0.05, 0.04), told_apart(0.05, 0.04998)
    (('0.05', '0.04'), ('0.05', '0.04998'))
    """
    while one != other and digits < 17 and rounded(one, digits) == rounded(other, digits):
        digits += 1
    return rounded(one, digits), rounded(other, digits)
