"""The command line in the process of a test."""

import pytest
from click.testing import CliRunner

from scatseg import cli


def scatseg(*arguments):
    """Run the command line and return its exit status."""
    with pytest.raises(SystemExit) as exited:
        cli.main([str(argument) for argument in arguments])
    return exited.value.code


def datasets(*arguments):
    """Run `scatseg datasets` and return its exit status (`return_value`), stdout and stderr."""
    return CliRunner().invoke(cli.cli, ["datasets", *map(str, arguments)], standalone_mode=False)
