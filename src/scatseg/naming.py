"""Names with options, `name[:key=value,...]` joined by `+`, into the objects they describe."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

Options = dict[str, Any]


def parse_names(text: str) -> tuple[tuple[str, Options], ...]:
    """Read one expression of the grammar that the command line, TOML and Python share.

    Parameters
    ----------
    text : str
        Names joined by `+`, each with options after a colon. A tuple is written `12/2`.

    Returns
    -------
    names : tuple of (str, dict)
        Each name with its options as Python values. A `module:callable` keeps its colon.

    Raises
    ------
    ValueError
        When a name is empty or an option is not `key=value`.

    Examples
    --------
    >>> parse_names("scattering:J=12,Q=12/2+mfcc")
    (('scattering', {'J': 12, 'Q': (12, 2)}), ('mfcc', {}))
    >>> parse_names("mypackage.features:loudness:window=0.5")
    (('mypackage.features:loudness', {'window': 0.5}),)
    """
    return tuple(_parse_one(part.strip(), text) for part in text.split("+"))


def _parse_one(part: str, text: str) -> tuple[str, Options]:
    name, *rest = part.split(":")
    if rest and "=" not in rest[0]:
        name = f"{name}:{rest.pop(0)}"
    if not name or name.startswith(":") or name.endswith(":") or len(rest) > 1:
        msg = f"names are written name:key=value,key=value and joined by +, got {text!r}"
        raise ValueError(msg)
    options: Options = {}
    for item in rest[0].split(",") if rest else ():
        key, equals, value = item.partition("=")
        if not (key.strip() and equals and value.strip()):
            msg = f"options are written key=value and separated by commas, got {item!r} in {text!r}"
            raise ValueError(msg)
        options[key.strip()] = parse_value(value.strip())
    return name, options


def parse_value(text: str) -> Any:
    """Read one option's value.

    Examples
    --------
    >>> [parse_value(word) for word in ("8", "1e-3", "12/2", "true", "none", "cosine")]
    [8, 0.001, (12, 2), True, None, 'cosine']
    """
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    if "/" in text:
        return tuple(parse_value(part) for part in text.split("/"))
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def build(
    name: str, options: Mapping[str, Any], table: Mapping[str, str | Callable[..., Any]], what: str
) -> Any:
    """Make the object that a name stands for.

    Parameters
    ----------
    name : str
        A key of `table`, or `module:callable` for something of the user's own.
    options : mapping
        Keyword arguments. A `module:callable` that is not a class is returned as it is
        when there are none.
    table : mapping from str to class, or to its place as `module:class`
        The names there are.
    what : str
        What the names are called in an error: "feature", "segmenter".

    Raises
    ------
    ValueError
        When the name is unknown, cannot be imported, or does not take these options.
    """
    if name in table:
        known = table[name]
        factory = _import(known, what) if isinstance(known, str) else known
    elif ":" in name:
        factory = _import(name, what)
        if not options and not isinstance(factory, type):
            return factory
    else:
        names = ", ".join(table)
        msg = f"unknown {what} {name!r}: choose from {names}, or name your own as module:callable"
        raise ValueError(msg)
    try:
        return factory(**options)
    except TypeError as error:
        msg = f"{what} {name!r} does not take {dict(options)}: {_accepted(factory)}"
        raise ValueError(msg) from error


def _import(name: str, what: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if here not in sys.path:
        sys.path.append(here)  # a module of the user's own lies where the command is run
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        msg = f"cannot import the {what} {name!r}: {error}"
        raise ValueError(msg) from error
    return found


def _accepted(factory: Callable[..., Any]) -> str:
    names = ", ".join(inspect.signature(factory).parameters)
    return f"its options are {names}" if names else "it has no options"
