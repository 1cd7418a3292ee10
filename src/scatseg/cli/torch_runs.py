"""Shared options and run folder of the commands that need torch."""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from scatseg.cli.outcome import usage_errors

device_option = click.option("--device", default="cpu", show_default=True, help="Torch device.")
seed_option = click.option("--seed", type=int, default=0, show_default=True)


@contextlib.contextmanager
def run_folder(output: Path) -> Iterator[None]:
    """Check for torch, lock the run folder, and write run.json at the end.

    Torch uses one thread, or as many as OMP_NUM_THREADS says.
    """
    import importlib.util

    from scatseg import runs
    from scatseg.synth import check_device

    if importlib.util.find_spec("torch") is None:
        msg = 'matching needs the torch extra: pip install "scatseg[torch]"'
        raise click.ClickException(msg)
    from scatseg.threads import one_torch_thread

    options = {name: _plain(value) for name, value in click.get_current_context().params.items()}
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    clock = time.perf_counter()
    threads = contextlib.nullcontext() if os.environ.get("OMP_NUM_THREADS") else one_torch_thread()
    with usage_errors(), runs.locked(output), threads:
        check_device(options["device"])
        yield
        seconds = time.perf_counter() - clock
        runs.write_run(output, options=options, started=started, seconds=seconds)


def _plain(value: Any) -> Any:
    """Convert paths to text, alone or in a tuple."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
