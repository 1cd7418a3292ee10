"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from scatseg.cli.outcome import usage_errors
from scatseg.naming import parse_value


class FilePath(click.Path):
    """A path; an empty one, as of a variable that is not set, is not the current folder.

    Nor is - a file of that name, as `-o -` would write for what was meant as standard output.
    """

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> Any:
        """Convert a word to a path."""
        if not os.fspath(value):
            self.fail("it is empty (. is the current folder)", parameter, context)
        if os.fspath(value) == "-":
            self.fail(
                "name a file, - stands for none here (./- is one called -)", parameter, context
            )
        return super().convert(value, parameter, context)


FileArgument = FilePath(path_type=Path)

# Written out, as `scatseg.formats` is heavy.
FormatName = click.Choice(["jams", "lab", "csv", "audacity", "svl", "textgrid"])

Command = TypeVar("Command", bound=Callable[..., Any])


def joined(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Combine decorators into one that keeps their order in the help."""

    def with_options(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


def refuse_beside(what: str, names: Collection[str]) -> None:
    """Reject parameters of the running command that would have no effect.

    Parameters
    ----------
    what : str
        The option that makes them ineffective.
    names : collection of str
        Parameter names, as in the command's function.
    """
    context = click.get_current_context()
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in names
        and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    ]
    if given:
        msg = f"{what} takes no {' or '.join(given)}: leave out these options"
        raise click.UsageError(msg)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    ValueError
        When it is not valid TOML, naming the file.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:  # of the syntax, or of the encoding
        msg = f"{path} is not TOML: {error}"
        raise ValueError(msg) from error


def _set_defaults(context: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Read option values from a TOML file; the command line takes precedence."""
    if path is None:
        return None
    with usage_errors():
        values = read_toml(path)
    known = {parameter.name: parameter for parameter in context.command.params}
    by_option = {
        option.lstrip("-").replace("-", "_"): parameter.name
        for parameter in context.command.params
        for option in parameter.opts
    }
    defaults = {}
    for key, value in values.items():
        name = by_option.get(key.replace("-", "_"), key)
        if name not in known:
            msg = f"{path}: unknown option {key!r} for {context.command.name}"
            raise click.UsageError(msg)
        several = listed(known[name], value, place=f"{path}: {key}")
        defaults[name] = several if _takes_several(known[name]) else several[0]
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


def listed(parameter: click.Parameter, value: Any, *, place: str) -> list[Any]:
    """Return the values given in a file to an option or argument, as a list.

    In paths, `~` is the user's folder, as in a shell.

    Raises
    ------
    click.UsageError
        When several values, or a table, are given where one is needed; the message begins with
        `place`.
    """
    if parameter.name == "settings" and isinstance(value, dict):
        value = [f"{option}={setting}" for option, setting in value.items()]
    if isinstance(value, dict) or (isinstance(value, list) and not _takes_several(parameter)):
        msg = f"{place} takes one value, got {value!r}"
        raise click.UsageError(msg)
    values = value if isinstance(value, list) else [value]
    if isinstance(parameter.type, click.Path):
        return [os.path.expanduser(str(each)) for each in values]  # noqa: PTH111 - "" stays ""
    return values


def _takes_several(parameter: click.Parameter) -> bool:
    return parameter.multiple or parameter.nargs != 1


def _parse_settings(
    _: click.Context, __: click.Parameter, items: tuple[str, ...]
) -> dict[str, Any]:
    """Read --set key=value."""
    settings = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not (key and equals):
            msg = f"--set needs key=value, got {item!r}"
            raise click.UsageError(msg)
        settings[key.strip().replace("-", "_")] = parse_value(value.strip())
    return settings


def split_names(_: click.Context, __: click.Parameter, items: tuple[str, ...]) -> list[str]:
    """Split names with options at the commas between names, not at those between options."""
    names: list[str] = []
    for item in items:
        for i, part in enumerate(item.split(",")):
            option, equals, _value = part.partition("=")
            if i and equals and ":" not in option:
                names[-1] += f",{part}"
            else:
                names.append(part.strip())
    return names


def parse_time(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    """Read a time: 62.5, or 1:02.5, or 1:00:00."""
    if text is None:
        return None
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    known = 1 <= len(parts) <= 3 and all(0 <= part < math.inf for part in parts)
    if not known or max(parts[1:], default=0) >= 60 or any(part % 1 for part in parts[:-1]):
        msg = f"{text!r} is not a time like 62.5 or 1:02.5"
        raise click.BadParameter(msg)
    return sum(part * 60.0**i for i, part in enumerate(reversed(parts)))


def output_file(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """Reject an output file that cannot be written before any work is done."""
    if path is None:
        return None
    if path.is_dir():
        msg = f"{path} is a folder, a file is needed"
        raise click.BadParameter(msg)
    if not path.parent.exists():
        msg = f"{path}: there is no folder {path.parent}, make it first"
        raise click.BadParameter(msg)
    check_folder(path.parent)
    return path


def output_folder(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """Reject an output folder that cannot be written before any work is done."""
    if path is not None:
        check_folder(path)
    return path


def run_folder(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Reject a run folder that is a file, an index (its tracks would go) or a search's page."""
    if path is not None:
        refuse_index(path)
        if (path / "hits.json").is_file():
            msg = f"{path} has the page of a search, which would be replaced: choose another -o"
            raise click.BadParameter(msg)
    return output_folder(context, option, path)


def refuse_index(folder: Path) -> None:
    """Reject the folder of an index for search, among whose files others do not belong."""
    if not folder.is_dir():
        return
    from scatseg.search.store import DATABASE

    if (folder / DATABASE).is_file():
        msg = f"{folder} is an index for search: choose another -o"
        raise click.BadParameter(msg)


def check_folder(path: Path) -> None:
    """Reject a folder, made if missing, that is a file or where nothing can be written."""
    there = next((each for each in (path, *path.parents) if each.exists()), path)
    if there.exists() and not there.is_dir():
        msg = f"{there} is a file, a folder is needed"
        raise click.BadParameter(msg)
    if there.exists() and not os.access(there, os.W_OK):
        msg = f"nothing can be written to {there}: choose another -o"
        raise click.BadParameter(msg)


run_option = click.option(
    "-o",
    "--output",
    required=True,
    type=FileArgument,
    callback=output_folder,
    help="The run folder.",
)

features_trust_option = click.option(
    "--trust",
    multiple=True,
    metavar="NAME",
    help="Allow an index to run these custom features (module:callable).",
)

config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_set_defaults,
    is_eager=True,
    expose_value=False,
    help="Read option values from a TOML file.",
)


def _n_cores() -> int:
    from scatseg.threads import n_cores

    return n_cores()


jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=_n_cores,
    show_default="all cores",
    help="Number of processes.",
)
time_limit_option = click.option(
    "--time-limit",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="Stop a recording that takes longer, which then fails; for code or files that may hang.  "
    "[default: no limit]",
)
features_option = click.option(
    "--features",
    default="scattering",
    show_default=True,
    help="Features by name: scattering:J=12,Q=12/2+mfcc, or module:callable.",
)
segmenter_features_option = click.option(
    "--features",
    help="Features by name: bars, scattering:J=12,Q=12/2+mfcc, or module:callable.  "
    "[default: those of the segmenter]",
)
settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_parse_settings,
    help="Set any other option of the segmenters, or sr.",
)
audio_option = click.option(
    "--audio",
    type=click.Choice(["copy", "link", "none"]),
    default="copy",
    show_default=True,
    help="Copy recordings next to the report, link to them, or omit them.",
)
