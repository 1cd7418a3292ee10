"""Names with options, `name[:key=value,...]` joined by `+` -> objects."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import importlib
import inspect
import os
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

Options = dict[str, Any]


def parse_names(text: str) -> tuple[tuple[str, Options], ...]:
    """Parse names with options, as used on the command line, in TOML and in Python.

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
    TypeError
        When it is no text, as an object made already.
    ValueError
        When a name is empty, or an option is not `key=value` or is repeated.

    Examples
    --------
    >>> parse_names("scattering:J=12,Q=12/2+mfcc")
    (('scattering', {'J': 12, 'Q': (12, 2)}), ('mfcc', {}))
    >>> parse_names("mypackage.features:loudness:window=0.5")
    (('mypackage.features:loudness', {'window': 0.5}),)
    """
    if not isinstance(text, str):
        msg = f"a name is needed, got {text!r:.60}: an object made already is used as it is"
        raise TypeError(msg)
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
        if key.strip() in options:
            msg = f"the option {key.strip()!r} is given twice in {text!r}"
            raise ValueError(msg)
        options[key.strip()] = parse_value(value.strip())
    return name, options


def foreign_code(text: str) -> set[str]:
    """Return the custom code (`module:callable`) that an expression would import and run.

    Examples
    --------
    >>> foreign_code("mfcc+mypackage.features:loudness:window=0.5")
    {'mypackage.features:loudness'}
    """
    return {name for name, _ in parse_names(text) if ":" in name}


def parse_value(text: str) -> Any:
    """Parse the value of an option.

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
    """Create an object by name.

    Parameters
    ----------
    name : str
        A key of `table`, or `module:callable` for a custom object.
    options : mapping
        Keyword arguments. Without any, a `module:callable` that is not a class is returned
        unchanged.
    table : mapping from str to class, or to its location as `module:class`
        The known names.
    what : str
        Kind of object, for errors: "feature", "segmenter".

    Raises
    ------
    ValueError
        When the name is unknown, cannot be imported, or does not accept the options.
    """
    factory = _factory(name, table, what)
    if name not in table and not options and not isinstance(factory, type):
        return factory
    _check_options(factory, options, f"{what} {name!r}")
    try:
        return factory(**options)
    except TypeError as error:
        msg = f"{what} {name!r} cannot be made with {dict(options)}: {error}"
        raise ValueError(msg) from error


def option_names(
    name: str, table: Mapping[str, str | Callable[..., Any]], what: str
) -> frozenset[str]:
    """Return the names of the options that `build` accepts; the parameters are those of `build`."""
    try:
        parameters = inspect.signature(_factory(name, table, what)).parameters.values()
    except (TypeError, ValueError):  # not callable, or not written in Python
        return frozenset()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return frozenset(each.name for each in parameters if each.kind in named)


def check_several(argument: str, names: object) -> None:
    """Raise a TypeError for a single name, of which each letter would be taken for one."""
    if isinstance(names, str):
        msg = f"{argument} takes several names, got {names!r}: write [{names!r}] for one"
        raise TypeError(msg)


def _factory(
    name: str, table: Mapping[str, str | Callable[..., Any]], what: str
) -> Callable[..., Any]:
    """Find what makes the objects of a name."""
    if name in table:
        known = table[name]
        return _import(known, what) if isinstance(known, str) else known
    if ":" in name:
        return _import(name, what)
    names = ", ".join(table)
    msg = f"unknown {what} {name!r}: choose from {names}, or name your own as module:callable"
    raise ValueError(msg)


def placeless(made: object) -> str:
    """Return the repr of an object without memory addresses."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(made))


def code_of(made: object, *expressions: str) -> str:
    """Hash the custom code of an object, for cache keys.

    Parameters
    ----------
    made : object
        Any object; of tuples, dataclasses, partial objects, bound methods and wrapped functions,
        the parts are taken into account, too.
    *expressions : str
        Names with options that the object was made by, whose modules are included.

    Returns
    -------
    digest : str
        Hash of the Python files outside this package that define the object, of the files they
        import, except installed packages, and of the arguments of partial objects; empty if there
        are none.
    """
    parts = list(_parts(made, set()))
    names = {name.partition(":")[0] for text in expressions for name in foreign_code(text)}
    files = _own_files({*names, *(name for part in parts for name in _module_names(part))})
    contents = {file.read_bytes() for file in files}
    if contents:
        contents |= {
            _text((p.func, p.args, p.keywords)).encode()
            for p in parts
            if isinstance(p, functools.partial)
        }
    digests = sorted(hashlib.sha256(content).hexdigest()[:16] for content in contents)
    if len(digests) < 2:
        return "".join(digests)
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def _text(value: object) -> str:
    """Return a text that is the same in all processes: whole arrays, and sets in order."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        return _text([[key, value[key]] for key in value])
    if isinstance(value, set | frozenset):
        return f"{{{','.join(sorted(map(_text, value)))}}}"
    if hasattr(value, "tobytes"):
        digest = hashlib.sha256(value.tobytes()).hexdigest()
        return f"{getattr(value, 'dtype', '')}{getattr(value, 'shape', '')}{digest}"
    return placeless(value)


def _parts(made: object, seen: set[int]) -> Iterator[object]:
    """Yield an object and those that it consists of."""
    if id(made) in seen:
        return
    seen.add(id(made))
    yield made
    inner: list[object] = [getattr(made, "__wrapped__", None)]
    if isinstance(made, tuple):
        inner += made
    elif isinstance(made, functools.partial):
        inner += [made.func, *made.args, *made.keywords.values()]
    elif isinstance(made, types.MethodType):
        inner += [made.__func__, made.__self__]
    elif dataclasses.is_dataclass(made) and not isinstance(made, type):
        inner += [getattr(made, field.name) for field in dataclasses.fields(made)]
    for each in inner:
        yield from _parts(each, seen)


def _module_names(made: object) -> Iterator[str]:
    """Yield the modules that define an object; of a wrapper, its own and that of the wrapped."""
    yield str(getattr(made, "__module__", ""))
    yield str(getattr(made, "__globals__", {}).get("__name__", ""))


def _own_files(names: Iterable[str]) -> set[Path]:
    """Find the Python files of loaded modules and of those they import.

    Those of this package, of Python and, unless they define an object, of installed packages are
    left out. What an installed file imports is not looked at.
    """
    places = {name: getattr(sys.modules.get(name), "__file__", None) for name in names}
    found: dict[str, Path] = {}
    while places:
        name, place = places.popitem()
        file = Path(place or "")
        top = name.partition(".")[0]
        is_foreign = top != __name__.partition(".")[0] and not _is_of_python(file)
        if name in found or not is_foreign or file.suffix != ".py" or not file.is_file():
            continue
        found[name] = file
        for other in () if _is_installed(file) else _imported(name, file):
            origin = _origin(other)
            if origin and not _is_installed(Path(origin)):
                places[other] = origin
    return set(found.values())


def _imported(name: str, file: Path) -> set[str]:
    """Return the names of modules, and possible ones, that a module imports anywhere."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return set()
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{base}.{alias.name}".lstrip(".") for alias in node.names}
    packages = {each[: dot.start()] for each in names for dot in re.finditer(r"\.", each)}
    return names | packages


def _origin(name: str) -> str | None:
    """Find the file of a module without importing it."""
    top, *inner = name.split(".")
    spec = PathFinder.find_spec(top)
    if spec is None or not inner:
        return spec.origin if spec is not None else None
    for folder in spec.submodule_search_locations or []:
        place = Path(folder, *inner)
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                return str(file)
    return None


def _is_installed(file: Path) -> bool:
    return not {"site-packages", "dist-packages"}.isdisjoint(file.parts)


def _is_of_python(file: Path) -> bool:
    return file.is_relative_to(Path(os.__file__).parent) and not _is_installed(file)


def _import(name: str, what: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    stem = module.replace(os.sep, "/").removesuffix(".py").rpartition("/")[2].lstrip(".")
    if stem != module:
        msg = (
            f"cannot import the {what} {name!r}: a module is named as in Python, "
            f"{stem}:{attribute}, and found in the working directory or on PYTHONPATH"
        )
        raise ValueError(msg)
    here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if here not in sys.path:
        sys.path.append(here)  # custom modules may be in the working directory
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        msg = f"cannot import the {what} {name!r}: {error}"
        raise ValueError(msg) from error
    return found


def _check_options(factory: Callable[..., Any], options: Mapping[str, Any], what: str) -> None:
    """Raise a ValueError for unknown options."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # not callable, or not written in Python: the call will fail
        return
    try:
        signature.bind(**options)
    except TypeError as error:
        names = ", ".join(signature.parameters)
        accepted = f"its options are {names}" if names else "it has no options"
        msg = f"{what} does not take {dict(options)}: {accepted}"
        raise ValueError(msg) from error
