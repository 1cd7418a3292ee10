"""Characters missing from the default font -> other installed fonts, or a warning."""

from __future__ import annotations

import bisect
import functools
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import matplotlib.font_manager as font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

FONT = "DejaVu Sans"
"""Shipped with matplotlib, so that figures look the same everywhere."""

# Fonts of Linux distributions, Windows and macOS; the first that has a character is used.
_CJK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK TC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans SC",
    "Noto Sans TC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Source Han Sans SC",
    "Source Han Sans JP",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "SimHei",
    "SimSun",
    "Microsoft JhengHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti TC",
    "Yu Gothic",
    "Meiryo",
    "MS Gothic",
    "Hiragino Sans",
    "IPAexGothic",
    "IPAGothic",
    "TakaoGothic",
    "VL Gothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "NanumGothic",
    "UnDotum",
    "Arial Unicode MS",
)
_MISSING = r"Glyph (\d+) .* missing from font"  # matplotlib's warning
_MOST_NAMED = 20
_WIDE = 1.15  # em: the box of a missing character is wider than the character

Drawn = TypeVar("Drawn")


class FontWarning(UserWarning):
    """Warns that no font has some characters, which are drawn as boxes.

    Parameters
    ----------
    characters : str
        The characters, each once.
    """

    def __init__(self, characters: str) -> None:
        self.characters = characters
        named = " ".join(characters[:_MOST_NAMED])
        more = len(characters) - _MOST_NAMED
        super().__init__(
            f"no known font has these characters, drawn as boxes in figures: {named}"
            f"{f' and {more} more' if more > 0 else ''}; "
            "for Chinese, Japanese and Korean install a font such as Noto Sans CJK"
        )


def drawn_with_fonts(figure: Figure, draw: Callable[[], Drawn]) -> Drawn:
    """Draw a figure, and again with more fonts if the first lacks characters.

    Parameters
    ----------
    figure : Figure
        Texts with missing characters get installed fonts for Chinese, Japanese and Korean as
        fallbacks.
    draw : callable
        Draws the figure.

    Returns
    -------
    drawn
        Return value of `draw`.

    Warns
    -----
    FontWarning
        When some characters are missing from all fonts.
    """
    drawn, missing = _missing_from(draw)
    if missing and cjk_fonts():
        for text in figure.findobj(Text):
            if isinstance(text, Text) and missing & set(text.get_text()):
                text.set_fontfamily([FONT, *cjk_fonts()])
        drawn, missing = _missing_from(draw)
    if missing:
        warnings.warn(FontWarning("".join(sorted(missing))), stacklevel=3)
    return drawn


def _missing_from(draw: Callable[[], Drawn]) -> tuple[Drawn, set[str]]:
    """Draw, and return the missing characters."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", message=_MISSING)
        drawn = draw()
    missing = set()
    for each in caught:
        found = re.match(_MISSING, str(each.message))
        if found:
            missing.add(chr(int(found[1])))
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return drawn, missing


@functools.cache
def cjk_fonts() -> tuple[str, ...]:
    """Return the names of installed fonts for Chinese, Japanese and Korean.

    Computed once, when first needed. matplotlib's cached font list lacks newly installed fonts, so
    the system is searched if the list has none.
    """
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    if known.isdisjoint(_CJK_FONTS):
        for entry in font_manager.FontManager().ttflist:
            if entry.name in _CJK_FONTS:
                font_manager.fontManager.addfont(entry.fname)
                known.add(entry.name)
    return tuple(name for name in _CJK_FONTS if name in known)


@contextmanager
def missing_characters() -> Iterator[set[str]]:
    """Collect the characters that no font has, instead of a warning for each figure."""
    characters: set[str] = set()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FontWarning)
        yield characters
    for each in caught:
        if isinstance(each.message, FontWarning):
            characters |= set(each.message.characters)
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)


def fitted(text: str, room: float, width: Callable[[str], float]) -> str:
    """Truncate a text to be narrower than `room`; empty if no letter fits."""
    if width(text) < room:
        return text
    kept = bisect.bisect_left(
        range(1, len(text)), True, key=lambda n: width(f"{text[:n].rstrip()}…") >= room
    )
    return f"{text[:kept].rstrip()}…" if kept else ""


def text_inches(text: str, size: float, *, weight: str = "normal") -> float:
    """Return an upper bound of the width of a text in inches, at a font size in points."""
    wide = [c for c in text if unicodedata.east_asian_width(c) in "WF"]
    others = "".join(c for c in text if c not in wide)
    points = _WIDE * size * len(wide)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_MISSING)
        if others:
            font = font_manager.FontProperties(family=FONT, size=size, weight=weight)
            points += text_to_path.get_text_width_height_descent(others, font, ismath=False)[0]
    return points / 72
