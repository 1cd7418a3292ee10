"""Exit statuses, and what the user got wrong as one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import click

DONE, SOME_FAILED, USAGE, NOTHING_DONE, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit statuses."""


def status_of(n_done: int, n_failed: int) -> int:
    """Tell the exit status of a command over many files."""
    if not n_done:
        return NOTHING_DONE
    return SOME_FAILED if n_failed else DONE


@contextlib.contextmanager
def usage_errors() -> Iterator[None]:
    """Turn what the user got wrong into one line instead of a traceback."""
    from scatseg.runs import RunLockedError

    try:
        yield
    except BrokenPipeError:
        raise  # the reader of what is printed has gone, which is nobody's mistake
    except OSError as error:
        file = error.filename2 or error.filename
        text = str(error) if file is None else f"{file}: {error.strerror}"
        raise click.UsageError(text) from error
    except (ValueError, RunLockedError) as error:
        raise click.UsageError(str(error)) from error
