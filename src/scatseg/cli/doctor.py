"""`scatseg doctor`: what is installed."""

from __future__ import annotations

import json

import click

from scatseg.cli.outcome import DONE

_EXTRAS = {
    "torch": "torch",
    "dask": "distributed",
    "ann": "faiss",
    "ffmpeg": "av",
    "datasets": "mirdata",
    "skops": "skops",
}


_FFMPEG_ONLY = {".aac", ".m4a", ".wma"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> int:
    """Show what is installed: versions, decoders, backends."""
    import importlib.util

    from scatseg.audio import AUDIO_EXTENSIONS
    from scatseg.runs import versions
    from scatseg.threads import n_cores

    installed = {
        extra: importlib.util.find_spec(module) is not None for extra, module in _EXTRAS.items()
    }
    decoders = sorted(AUDIO_EXTENSIONS - (set() if installed["ffmpeg"] else _FFMPEG_ONLY))
    facts = {
        "versions": versions(),
        "decoders": decoders,
        "extras": installed,
        "cores": n_cores(),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return DONE
    for name, number in versions().items():
        click.echo(f"{name:14} {number}")
    click.echo(f"{'decoders':14} {' '.join(decoders)}")
    for extra, there in installed.items():
        click.echo(f"{'extra ' + extra:14} {'installed' if there else 'not installed'}")
    click.echo(f"{'cores':14} {facts['cores']}")
    return DONE
