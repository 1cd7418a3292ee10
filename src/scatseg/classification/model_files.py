"""Trained classifiers <-> files that are safe to open, even from untrusted sources.

A model file is an .npz of plain arrays with a JSON header: nothing in it is executed, and sizes are
checked before reading. Custom classifiers are stored by skops, an extra.
"""

from __future__ import annotations

import importlib
import io
import json
import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatseg import naming
from scatseg.classification.calibration import Calibrated
from scatseg.classification.models import (
    ARRAYS,
    Description,
    ForeignModel,
    Model,
    ModelError,
    is_built_in,
)
from scatseg.features import FeatureName
from scatseg.writing import atomic_write

FORMAT, VERSION = "scatseg-model", 1

_ENCRYPTED = 0x1  # a bit of an entry's flags

# Types of this package that wrap a custom classifier.
_OURS = frozenset(
    {
        "scatseg.classification.calibration.Calibrated",
        "scatseg.classification.steps.Clipper",
        "scatseg.classification.steps.ColumnCompressor",
        "scatseg.classification.steps.FrameScaler",
        "scatseg.transformers.MedianLogCompressor",
    }
)


def check_can_be_saved(classifier: Calibrated) -> None:
    """Check that the model of a classifier, fitted or not, can be saved.

    Raises
    ------
    ModelError
        When skops is needed and not installed.
    """
    if not is_built_in(classifier):
        _skops()


def save_model(path: str | os.PathLike[str], model: Model | ForeignModel) -> None:
    """Save a model deterministically.

    Parameters
    ----------
    path : path-like
        The file. Its folder must exist.
    model : Model or ForeignModel
        The latter needs the extra skops.

    Raises
    ------
    ModelError
        When skops is needed and not installed.
    OSError
        When the file cannot be written.
    """
    if isinstance(model, ForeignModel):
        skops = _skops()
        atomic_write(path, skops.dumps({"header": _header(model), "model": model.estimator}))
        return
    data = io.BytesIO()
    header = np.frombuffer(_header(model).encode(), dtype=np.uint8)
    arrays: dict[str, Any] = {"header": header, **model.arrays}
    np.savez(data, **arrays)  # not compressed, so that sizes can be checked
    atomic_write(path, data.getvalue())


def _header(model: Model | ForeignModel) -> str:
    about = asdict(model.about)
    facts = {"format": FORMAT, "version": VERSION, "about": about}
    if isinstance(model, Model):
        facts |= {"kind": model.kind, "temperature": model.temperature}
    return json.dumps(facts, sort_keys=True)


def load_model(
    path: str | os.PathLike[str], *, trusted: Sequence[str] = ()
) -> Model | ForeignModel:
    """Load a model.

    Parameters
    ----------
    path : path-like
        A file written by `save_model`.
    trusted : sequence of str
        Types that a custom classifier may contain besides those trusted by skops, and custom
        features (`module:callable`).

    Returns
    -------
    model : Model or ForeignModel

    Raises
    ------
    ModelError
        When the file is not a model (a pickle, another archive, object arrays, wrong sizes, another
        version), or contains untrusted types or names untrusted code for its features.
    """
    naming.check_several("trusted", trusted)
    source = Path(path)
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            if any(entry.filename == "schema.json" for entry in entries):
                model: Model | ForeignModel = _load_foreign(source, trusted)
            else:
                model = _load(archive, entries, source)
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        msg = f"{source}: a model written by scatseg is needed, this is none ({error})"
        raise ModelError(msg) from error
    _check_features(model.about, trusted, source)
    return model


def _check_features(about: Description, trusted: Sequence[str], source: Path) -> None:
    """Reject untrusted custom features, whose code would be run."""
    try:
        named = naming.foreign_code(str(about.features.get("features", "scattering")))
    except (ValueError, AttributeError) as error:
        msg = f"{source}: its features cannot be read: {error}"
        raise ModelError(msg) from error
    if code := sorted(named - set(trusted)):
        msg = (
            f"{source}: its features are the code {', '.join(code)}; if you trust who made it, "
            "allow it by name (--trust NAME)"
        )
        raise ModelError(msg)


def _load(archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], source: Path) -> Model:
    names = [entry.filename for entry in entries]
    for name in names:
        if name.removesuffix(".npy") not in {"header", *ARRAYS} or not name.endswith(".npy"):
            msg = f"{source}: holds {name!r}, which no model does; it is not opened"
            raise ModelError(msg)
    if len(set(names)) < len(names):
        msg = f"{source}: holds an array twice; it is not opened"
        raise ModelError(msg)
    whole = source.stat().st_size
    for entry in entries:
        is_plain = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & _ENCRYPTED
        if not is_plain or entry.file_size > whole:
            msg = (
                f"{source}: {entry.filename} is compressed, encrypted or claims {entry.file_size} "
                f"bytes in a file of {whole}; models are plain, it is not opened"
            )
            raise ModelError(msg)
    arrays = {
        entry.filename.removesuffix(".npy"): _plain_array(archive, entry, source)
        for entry in entries
    }
    if "header" not in arrays:
        msg = f"{source}: has no header, so it is no model"
        raise ModelError(msg)
    facts = _facts(arrays.pop("header").tobytes(), source)
    try:
        return Model(
            about=_description(facts["about"]),
            kind=str(facts["kind"]),
            arrays=arrays,
            temperature=float(facts["temperature"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{source}: the model does not fit together: {error}"
        raise ModelError(msg) from error


def _plain_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, source: Path) -> NDArray[Any]:
    """Read a numeric array after checking its declared size."""
    data = archive.read(entry)
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, is_fortran, dtype = read(stream)
    except (ValueError, KeyError) as error:
        msg = f"{source}: {entry.filename} is no array ({error})"
        raise ModelError(msg) from error
    if dtype.hasobject or dtype.kind not in "fiub":
        msg = f"{source}: {entry.filename} holds {dtype}, only numbers are read"
        raise ModelError(msg)
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes != len(data) - stream.tell():
        msg = (
            f"{source}: {entry.filename} claims shape {shape}, {n_bytes} bytes, and has "
            f"{len(data) - stream.tell()}"
        )
        raise ModelError(msg)
    flat = np.frombuffer(data, dtype=dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if is_fortran else "C")


def _facts(data: bytes, source: Path) -> dict[str, Any]:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as error:
        msg = f"{source}: the header is not JSON ({error})"
        raise ModelError(msg) from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        msg = f"{source}: the header is not that of a model"
        raise ModelError(msg)
    if facts.get("version") != VERSION:
        msg = (
            f"{source}: is of version {facts.get('version')!r}, this scatseg reads {VERSION}: "
            "use the scatseg that wrote it, or train the model again"
        )
        raise ModelError(msg)
    return facts


def _description(about: Mapping[str, Any]) -> Description:
    names = tuple(FeatureName(**name) for name in about["names"])
    classes, columns = (tuple(map(str, about[key])) for key in ("classes", "columns"))
    rest = {key: about[key] for key in ("features", "fingerprint", "summary", "versions")}
    files = tuple(map(str, about.get("files", ())))  # older models do not tell
    return Description(classes=classes, columns=columns, names=names, files=files, **rest)


def _load_foreign(source: Path, trusted: Sequence[str]) -> ForeignModel:
    skops = _skops()
    unknown = sorted(set(skops.get_untrusted_types(file=source)) - _OURS - set(trusted))
    if unknown:
        msg = (
            f"{source}: holds the types {', '.join(unknown)}, which could run code; if you trust "
            "who made it, allow them by name (--trust TYPE)"
        )
        raise ModelError(msg)
    held = skops.load(source, trusted=sorted(_OURS | set(trusted)))
    facts = _facts(str(held["header"]).encode(), source)
    return ForeignModel(about=_description(facts["about"]), estimator=held["model"])


def _skops() -> Any:
    try:
        return importlib.import_module("skops.io")
    except ModuleNotFoundError as error:
        msg = "classifiers that are not built in are stored by skops: pip install 'scatseg[skops]'"
        raise ModelError(msg) from error
