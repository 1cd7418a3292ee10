"""Exit statuses, and user errors as one-line messages."""

from __future__ import annotations

import _thread
import contextlib
import re
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from scatseg.counts import one_line
from scatseg.writing import is_full

DONE, SOME_FAILED, USAGE, NOTHING_DONE, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143
"""Exit statuses."""


def status_of(n_done: int, n_failed: int) -> int:
    """Return the exit status of a command over many files."""
    if not n_done:
        return NOTHING_DONE
    return SOME_FAILED if n_failed else DONE


class CustomCodeError(click.ClickException):
    """An error of custom features or a custom segmenter, which nothing could be done with."""


class Interrupted(click.exceptions.Abort):
    """An interrupt with a message for the user: what it leaves."""


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[list[int]]:
    """Let SIGTERM interrupt the work as Ctrl-C does, so that it is tidied up.

    Further ones are ignored: `timeout` and others send two. Where the calling program handles or
    ignores the signal, and in other threads than the main one, nothing is changed.

    Yields
    ------
    received : list of int
        The signal, once it came.
    """
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        if not received:
            received.append(number)
            raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield received
        return
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def interrupts_repeated() -> Iterator[None]:
    """Interrupt again where an interrupt was lost.

    Python raises it in whatever runs: in a callback from C (compilers have them) or a finalizer it
    could only print the error, and the work would go on.
    """
    report = sys.unraisablehook

    def repeat(lost: Any) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            threading.Timer(0.1, _thread.interrupt_main).start()
        else:
            report(lost)

    sys.unraisablehook = repeat
    try:
        yield
    finally:
        sys.unraisablehook = report


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Report on interrupt that the command can be resumed; a context manager or decorator."""
    try:
        yield
    except KeyboardInterrupt as error:
        msg = "finished work is kept, the same command resumes"
        raise Interrupted(msg) from error


def text_of(error: Exception) -> str:
    """Format an error as one line: of a file with its name, of a full disk with what to do."""
    if not isinstance(error, OSError) or isinstance(error, ValueError):  # AudioErrors say it all
        return one_line(str(error))
    file = error.filename2 or error.filename
    if file is None:
        return one_line(error.strerror or str(error))
    advice = ": make room there, then run the same command again" if is_full(error) else ""
    return one_line(f"{file}: {error.strerror}{advice}")


def tell_gone(named: str, where: str, *, pruned: bool) -> None:
    """Name what is gone, and was removed from a run or an index, or how to remove it."""
    text = f"removed {named}"
    if not pruned:
        text = f"the {where} still has {named}; --prune removes what was moved or deleted"
    click.echo(text, err=True)


def tell_outdated(run: Path) -> None:
    """Warn if tracks of a run changed since they were scored, with the command to score them."""
    from scatseg.freshness import outdated
    from scatseg.runs import read_run_facts

    command = read_run_facts(run).get("evaluation", {}).get("command")
    text = outdated(run, shlex.join(command)) if command else outdated(run)
    if text:
        click.echo(f"warning: the scores are outdated: {text}", err=True)


@contextlib.contextmanager
def custom_errors(*names: str | None, verbosity: int) -> Iterator[None]:
    """Report errors of custom code as one line, and with -v as a traceback, too.

    `names` are features and segmenters; errors of those that are not `module:callable` are raised.
    """
    from scatseg.naming import foreign_code

    try:
        yield
    except click.ClickException:
        raise
    except (Exception, SystemExit) as error:  # custom code may raise anything
        custom = sorted(set().union(*(foreign_code(name) for name in names if name)))
        if isinstance(error, OSError | ValueError):  # which this package raises of input, too
            raisers = _packages_of(error)
            custom = [name for name in custom if re.split("[.:]", name)[0] in raisers]
        if not custom:
            raise
        if verbosity > 0:
            traceback.print_exception(error)
        msg = f"{' or '.join(custom)}: {type(error).__name__}: {error}"
        raise CustomCodeError(msg) from error


def _packages_of(error: BaseException) -> set[str]:
    """Return the top-level packages and modules whose functions an error has passed through."""
    frames = traceback.walk_tb(error.__traceback__)
    return {str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in frames}


@contextlib.contextmanager
def usage_errors() -> Iterator[None]:
    """Report user errors as one line instead of a traceback.

    A full disk, a reader that has gone and workers that were killed are nobody's mistake.
    """
    from scatseg.runs import RunLockedError

    try:
        yield
    except (BrokenPipeError, ChildProcessError):
        raise
    except OSError as error:
        if is_full(error):
            raise
        raise click.UsageError(text_of(error)) from error
    except (ValueError, MemoryError, RunLockedError) as error:
        raise click.UsageError(str(error) or "there is not enough memory") from error
