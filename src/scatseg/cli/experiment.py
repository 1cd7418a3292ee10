"""`scatseg run`: run the steps of a TOML file as commands."""

from __future__ import annotations

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

    Each [[step]] has a `command`, its `arguments`, and the command's options by name.
    """
    root = context.find_root().command
    commands = dict(leaves(root))
    del commands[str(context.info_name)]  # an experiment that runs itself would never end
    with usage_errors():
        steps = read_toml(path).get("step", [])
        if not (steps and isinstance(steps, list) and all(isinstance(s, dict) for s in steps)):
            msg = f"{path}: an experiment needs at least one [[step]]"
            raise ValueError(msg)
        changed = _parse_changes(commands, steps, changes)
        lines = [step_arguments(commands, path, step, changed) for step in steps]
    worst = DONE
    for arguments in lines:
        if context.obj >= 0:
            click.echo("scatseg " + " ".join(arguments), err=True)
        loudness = ["-q"] if context.obj < 0 else ["-v"] * context.obj
        status = root.main(args=[*loudness, *arguments], prog_name="scatseg", standalone_mode=False)
        worst = max(worst, int(status or DONE))
        if worst > SOME_FAILED:
            break
    return worst


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
        msg = f"{path}: a step's command is one of {', '.join(commands)}, got {name!r}"
        raise ValueError(msg)
    given = step.pop("arguments", [])
    arguments = [str(each) for each in given] if isinstance(given, list) else [str(given)]
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


def _option_words(option: str, parameter: click.Option, value: Any, *, place: str) -> list[str]:
    values = [str(each) for each in listed(parameter, value, place=place)]
    if parameter.nargs != 1:
        return [option, *values]
    if not parameter.is_flag:
        return [word for each in values for word in (option, each)]
    if values[0].lower() not in ("true", "false"):
        msg = f"{place} is true or false, got {value!r}"
        raise ValueError(msg)
    return [option] if values[0].lower() == "true" else parameter.secondary_opts[:1]
