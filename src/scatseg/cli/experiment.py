"""`scatseg run`: run the steps of a TOML file as commands."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from scatseg.cli.options import listed, read_toml
from scatseg.cli.outcome import DONE, SOME_FAILED, usage_errors


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set this option in every step that has it.",
)
@click.pass_context
def run(context: click.Context, path: Path, changes: tuple[str, ...]) -> int:
    """Run the steps of a TOML file.

    Each [[step]] has a `command`, its `arguments`, and the command's options by name. Paths are
    relative to the current folder, as on the command line. The steps run in order, until one cannot
    be done. Run again, each resumes if its command does (segment, index, gear and match do); others
    are repeated.
    """
    root = context.find_root().command
    commands = dict(leaves(root))
    del commands[str(context.info_name)]  # an experiment that runs itself would never end
    with usage_errors():
        steps = _read_steps(path)
        changed = _parse_changes(commands, steps, changes)
        lines = [step_arguments(commands, path, step, changed) for step in steps]
        for step in steps:
            _check_needs(commands[step["command"]], {**step, **changed}, path)
    worst = DONE
    for arguments in lines:
        if context.obj >= 0:
            click.echo(shlex.join(["scatseg", *arguments]), err=True)
        loudness = ["-q"] if context.obj < 0 else ["-v"] * context.obj
        status = root.main(args=[*loudness, *arguments], prog_name="scatseg", standalone_mode=False)
        worst = max(worst, int(status or DONE))
        if worst > SOME_FAILED:
            break
    return worst


def _read_steps(path: Path) -> list[dict[str, Any]]:
    """Read the steps of an experiment; anything else in it is an error."""
    content = read_toml(path)
    steps = content.pop("step", [])
    if not (steps and isinstance(steps, list) and all(isinstance(s, dict) for s in steps)):
        msg = f"{path}: an experiment needs at least one [[step]]"
        raise ValueError(msg)
    if content:
        msg = (
            f"{path}: an experiment has only [[step]], got {', '.join(map(repr, content))}; "
            "options belong to a step (--set sets one in all)"
        )
        raise ValueError(msg)
    return steps


def leaves(command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Yield every leaf command with its full name: `segment`, `plot s1`."""
    for name, child in getattr(command, "commands", {}).items():
        if isinstance(child, click.Group):
            yield from ((f"{name} {inner}", leaf) for inner, leaf in leaves(child))
        else:
            yield name, child


def step_arguments(
    commands: Mapping[str, click.Command],
    path: Path,
    step: dict[str, Any],
    changes: Mapping[str, str],
) -> list[str]:
    """Convert a step to command-line arguments."""
    step = dict(step)
    name = step.pop("command", None)
    if name not in commands:
        got = "a step has no `command`" if name is None else f"there is no command {name!r}"
        msg = f"{path}: {got}; a step's command is one of {', '.join(commands)}"
        raise ValueError(msg)
    arguments = _arguments_of(step.pop("arguments", []), place=f"{path}: {name}")
    known = _options_of(commands[name])
    step |= {key: value for key, value in changes.items() if _option_name(key) in known}
    options: list[str] = []
    for key, value in step.items():
        option = _option_name(key)
        if option not in known:
            msg = f"{path}: {name} has no option {key!r}; there are {', '.join(sorted(known))}"
            raise ValueError(msg)
        options += _option_words(option, known[option], value, place=f"{path}: {key}")
    return [*name.split(), *options, *(["--", *arguments] if arguments else [])]


def _parse_changes(
    commands: Mapping[str, click.Command], steps: Sequence[dict[str, Any]], items: Sequence[str]
) -> dict[str, str]:
    """Read --set key=value; every key must be an option of at least one step's command."""
    changes = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not (key and equals):
            msg = f"--set needs key=value, got {item!r}"
            raise ValueError(msg)
        used = [commands[name] for step in steps if (name := str(step.get("command"))) in commands]
        if not any(_option_name(key) in _options_of(command) for command in used):
            msg = f"--set {item}: no step has an option {key!r}"
            raise ValueError(msg)
        changes[key] = value
    return changes


def _options_of(command: click.Command) -> dict[str, click.Option]:
    return {
        option: parameter
        for parameter in command.params
        for option in parameter.opts
        if isinstance(parameter, click.Option)
    }


def _option_name(key: str) -> str:
    return "--" + key.replace("_", "-")


def _arguments_of(given: Any, *, place: str) -> list[str]:
    """Return arguments as words; `~` is the user's folder, as in a shell."""
    several = given if isinstance(given, list) else [given]
    if any(isinstance(each, list | dict) for each in several):
        msg = f"{place} takes arguments one by one, got {given!r}"
        raise ValueError(msg)
    if "" in several:
        msg = f"{place} has an empty argument (. is the current folder)"
        raise ValueError(msg)
    return [os.path.expanduser(str(each)) for each in several]  # noqa: PTH111 - not all are paths


def _option_words(option: str, parameter: click.Option, value: Any, *, place: str) -> list[str]:
    values = [str(each) for each in listed(parameter, value, place=place)]
    if parameter.nargs != 1:
        return [option, *values]
    if parameter.is_flag or parameter.count:
        if values[0].lower() not in ("true", "false"):
            msg = f"{place} is true or false, got {value!r}"
            raise ValueError(msg)
        return [option] if values[0].lower() == "true" else parameter.secondary_opts[:1]
    _check_values(parameter, values, place=place)
    return [word for each in values for word in (option, each)]


def _check_values(parameter: click.Parameter, values: Sequence[str], *, place: str) -> None:
    """Raise a ValueError for a value that cannot be; of paths, only for an empty one.

    An earlier step may write what a path needs.
    """
    is_path = isinstance(parameter.type, click.Path)
    if is_path and "" in values:
        msg = f"{place}: it is empty (. is the current folder)"
        raise ValueError(msg)
    if is_path:
        return
    given: Any = tuple(values) if parameter.multiple else values[0]
    context = click.Context(click.Command(None))
    try:
        parameter.process_value(context, given)
    except click.BadParameter as error:
        msg = f"{place}: {error.message}"
        raise ValueError(msg) from error


def _check_needs(command: click.Command, step: Mapping[str, Any], path: Path) -> None:
    """Raise a ValueError when a required option or argument is missing.

    A file of `--config` may have any of them, so that the command itself is the first to know.
    """
    given = {_option_name(key) for key in step}
    if "--config" in given:
        return
    needed = [each for each in command.params if each.required]
    options = [max(each.opts, key=len) for each in needed if isinstance(each, click.Option)]
    places = [each.human_readable_name for each in needed if isinstance(each, click.Argument)]
    missing = [option.lstrip("-") for option in options if option not in given]
    arguments = step.get("arguments", [])
    if len(arguments if isinstance(arguments, list) else [arguments]) < len(places):
        missing.append(f"arguments ({' '.join(places)})")
    if missing:
        msg = f"{path}: {step['command']} needs {' and '.join(missing)}"
        raise ValueError(msg)
