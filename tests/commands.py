"""The command line in the process of a test."""

import pytest

from scatseg import cli


def scatseg(*arguments):
    """Run the command line and return its exit status."""
    with pytest.raises(SystemExit) as exited:
        cli.main([str(argument) for argument in arguments])
    return exited.value.code
