"""Annotated collections on the web -> verified folders of annotations.

The only user of pooch. Archives are pinned to a commit of their repository. The SHA-256 of an
archive is either known in advance, or recorded at the first download and required of later ones.
Only annotations are kept, never recordings, with a receipt that holds the SHA-256 of each file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from scatseg.datasets import Problem
from scatseg.runs import locked
from scatseg.writing import atomic_write, naming_file

RECEIPT = "fetched.json"
"""File name of the receipt in a downloaded folder."""

_LARGEST = 500_000_000  # bytes unpacked: annotations are text, more is a mistake or an attack
_ENCRYPTED = 1  # in the flags of a file in an archive
_TIMEOUT = 30.0  # seconds without an answer


class DatasetError(RuntimeError):
    """A collection that cannot be downloaded, or does not match its receipt."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """An annotated collection and the source of its annotations.

    Parameters
    ----------
    name : str
        Name on the command line, and of its folder.
    title : str
        Description.
    n_tracks : int
        Number of annotated recordings.
    url : str
        URL of a ZIP archive with a single top-level folder.
    sha256 : str, default ""
        SHA-256 of the archive; "" if unknown, in which case the first download is trusted.
    keep : tuple of str
        Patterns of the files to keep, relative to the top-level folder; "*" also matches slashes.
    license, citation, homepage : str
        Shown to the user.
    """

    name: str
    title: str
    n_tracks: int
    url: str
    sha256: str = ""
    keep: tuple[str, ...]
    license: str
    citation: str
    homepage: str


_ALL = (
    Dataset(
        name="salami",
        title="SALAMI 2.0: up to two annotators, upper, lower and function level",
        n_tracks=1359,
        url=(
            "https://github.com/DDMAL/salami-data-public/archive/"
            "8e4f95d18a3ab628c53011fa5a43e9d3be27965d.zip"
        ),
        keep=("annotations/*.txt", "metadata/metadata.csv", "readme.md"),
        license="CC0 1.0 (annotations and metadata)",
        citation=(
            "J. B. L. Smith, J. A. Burgoyne, I. Fujinaga, D. De Roure, and J. S. Downie, "
            '"Design and creation of a large-scale database of structural annotations", '
            "ISMIR 2011, pp. 555-560"
        ),
        homepage="https://github.com/DDMAL/salami-data-public",
    ),
    Dataset(
        name="harmonix",
        title="The Harmonix Set: functional segments of Western popular music",
        n_tracks=912,
        url=(
            "https://github.com/urinieto/harmonixset/archive/"
            "64abeb509429e73d74559fb98e621dac866efea1.zip"
        ),
        keep=("dataset/segments/*.txt", "dataset/metadata.csv", "LICENSE", "README.md"),
        license="MIT (annotations)",
        citation=(
            "O. Nieto, M. McCallum, M. E. P. Davies, A. Robertson, A. Stark, and E. Egozy, "
            '"The Harmonix Set: beats, downbeats, and functional segment annotations of Western '
            'popular music", ISMIR 2019'
        ),
        homepage="https://github.com/urinieto/harmonixset",
    ),
)

DATASETS: dict[str, Dataset] = {each.name: each for each in _ALL}
"""The available datasets by name."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A record of a download with SHA-256 checksums.

    Parameters
    ----------
    name, url : str
        Name of the dataset and URL of its archive.
    sha256 : str
        SHA-256 of the archive.
    pinned : bool
        Whether this was known before the download; otherwise, the first download was trusted.
    license, citation : str
        As in `Dataset`.
    files : mapping of str to str
        Path relative to the folder -> SHA-256.
    """

    name: str
    url: str
    sha256: str
    pinned: bool
    license: str
    citation: str
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A dataset on disk.

    Parameters
    ----------
    folder : Path
        Its folder.
    receipt : Receipt
        Its receipt.
    status : {"fetched", "trusted", "kept"}
        Downloaded with a known SHA-256; downloaded for the first time and trusted; already there
        and unchanged.
    """

    folder: Path
    receipt: Receipt
    status: str


def default_folder() -> Path:
    """Return the default folder of datasets, in the user's cache."""
    import pooch

    return Path(pooch.os_cache("scatseg")) / "datasets"


def fetch(
    dataset: Dataset,
    root: str | Path,
    *,
    archive: str | Path | None = None,
    force: bool = False,
    retries: int = 1,
    timeout: float = _TIMEOUT,
) -> Fetched:
    """Download a dataset's annotations, or verify those already there.

    The folder is written atomically. Interrupted downloads leave nothing behind (what a killed one
    does is removed by the next) and start over, as the hosts of such archives cannot resume.

    Parameters
    ----------
    dataset : Dataset
        One of `DATASETS`.
    root : path
        The parent of the dataset's folder.
    archive : path, optional
        A local copy of the archive; its SHA-256 must match.
    force : bool, default False
        Download again.
    retries : int, default 1
        Number of retries when the connection or the checksum fails.
    timeout : float, default 30
        Seconds without an answer after which the connection fails.

    Returns
    -------
    fetched : Fetched
        The dataset on disk.

    Raises
    ------
    DatasetError
        When it cannot be downloaded or its SHA-256 does not match; when the folder holds something
        else, or files that changed since the download.
    RunLockedError
        When another process downloads it.
    OSError
        When the folder cannot be written.
    """
    root = Path(root)
    folder = root / dataset.name
    earlier = _earlier(folder, force=force)
    if earlier and not force:
        return Fetched(folder=folder, receipt=earlier, status="kept")
    root.mkdir(parents=True, exist_ok=True)
    with naming_file(folder), _workplace(root / f".scatseg-{dataset.name}") as work:
        earlier = _earlier(folder, force=force)  # another process may have been here meanwhile
        if earlier and not force:
            return Fetched(folder=folder, receipt=earlier, status="kept")
        known = earlier.sha256 if earlier and earlier.url == dataset.url else ""
        expected = dataset.sha256 or known
        if archive is None:
            archive = _download(dataset, expected, work, retries=retries, timeout=timeout)
        sha256 = _sha256(Path(archive))
        if expected and sha256 != expected:
            raise DatasetError(_other_bytes(dataset, f"{archive} has the SHA-256 {sha256}"))
        new = work / "new"
        receipt = Receipt(
            name=dataset.name,
            url=dataset.url,
            sha256=sha256,
            pinned=bool(dataset.sha256),
            license=dataset.license,
            citation=dataset.citation,
            files=_unpack(Path(archive), dataset, new),
        )
        text = json.dumps(asdict(receipt), indent=1) + "\n"
        atomic_write(new / RECEIPT, text.encode())
        if earlier:
            folder.rename(work / "old")
        new.rename(folder)
    return Fetched(folder=folder, receipt=receipt, status="fetched" if expected else "trusted")


def _earlier(folder: Path, *, force: bool) -> Receipt | None:
    """Return the receipt of an earlier download, whose files are checked."""
    earlier = read_receipt(folder) if (folder / RECEIPT).exists() else None
    _check_folder(folder, earlier, force=force)
    return earlier


def read_receipt(folder: str | Path) -> Receipt:
    """Read the receipt of a downloaded folder.

    Raises
    ------
    DatasetError
        When there is no receipt, or it is invalid.
    """
    path = Path(folder, RECEIPT)
    try:
        receipt = Receipt(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        msg = f"{folder} holds no {RECEIPT}: it was not fetched by scatseg"
        raise DatasetError(msg) from error
    except (OSError, ValueError, TypeError) as error:
        msg = f"{path} cannot be read ({error}); remove {folder} and fetch it again"
        raise DatasetError(msg) from error
    if not isinstance(receipt.files, dict):
        msg = f"{path} lists no files; remove {folder} and fetch it again"
        raise DatasetError(msg)
    return receipt


def verify(folder: str | Path) -> tuple[Problem, ...]:
    """Verify every file of a downloaded folder against its SHA-256.

    Parameters
    ----------
    folder : path
        A folder written by `fetch`.

    Returns
    -------
    problems : tuple of Problem
        Files that changed, are missing, or are not part of the dataset; empty if there are none.

    Raises
    ------
    DatasetError
        When the folder has no receipt.
    """
    folder = Path(folder)
    expected = read_receipt(folder).files
    problems = []
    for name, sha256 in sorted(expected.items()):
        path = folder / name
        try:
            changed = _sha256(path) != sha256
        except FileNotFoundError:
            problems.append(Problem(path, "is gone"))
        except OSError as error:
            problems.append(Problem(path, f"cannot be read: {error.strerror}"))
        else:
            if changed:
                problems.append(Problem(path, f"changed: its SHA-256 is not {sha256}"))
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    strangers = there - expected.keys() - {RECEIPT}
    problems += [Problem(folder / name, "is not part of the dataset") for name in sorted(strangers)]
    return tuple(problems)


def _check_folder(folder: Path, receipt: Receipt | None, *, force: bool) -> None:
    """Raise a DatasetError if the folder was not downloaded, or has changed.

    With `force`, only files that are not part of the dataset matter.
    """
    if receipt is None:
        if folder.exists():
            msg = f"{folder} exists, but was not fetched; move it away, or name another folder"
            raise DatasetError(msg)
        return
    problems = verify(folder)
    advice = "look at it, then fetch with --force"
    if force:  # files of the dataset are replaced, but those of the user would be lost
        problems = tuple(
            each
            for each in problems
            if each.path.relative_to(folder).as_posix() not in receipt.files
        )
        advice = "move it away"
    if problems:
        path, reason = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        msg = f"{folder} has changed since it was fetched: {path} {reason}{more}; {advice}"
        raise DatasetError(msg)


@contextlib.contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """Lock a temporary folder, which is empty even if a process was killed that used it."""
    with locked(folder):
        for left in folder.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
            elif left.name != ".lock":
                left.unlink()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # Windows keeps the lock


def _download(
    dataset: Dataset, expected: str, folder: Path, *, retries: int, timeout: float
) -> Path:
    """Download the archive into a folder; keep it only if its SHA-256 is the expected one."""
    import pooch

    source = pooch.create(
        path=folder,
        base_url="",
        registry={"archive.zip": f"sha256:{expected}" if expected else None},
        urls={"archive.zip": dataset.url},
        retry_if_failed=retries,
    )
    downloader = pooch.HTTPDownloader(chunk_size=2**16, timeout=timeout)
    try:
        with _quiet(pooch.get_logger()):
            return Path(source.fetch("archive.zip", downloader=downloader))
    except ValueError as error:
        raise DatasetError(_other_bytes(dataset, str(error))) from error
    except OSError as error:  # requests' errors are among them
        msg = (
            f"{dataset.name}: {dataset.url} cannot be downloaded ({error}); try again later, or "
            "download it by other means and fetch with --archive FILE"
        )
        raise DatasetError(msg) from error


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Silence the messages of pooch; the caller reports what matters."""
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _other_bytes(dataset: Dataset, what: str) -> str:
    return (
        f"{dataset.name}: the archive is not the expected one ({what}); it was not used. It may "
        f"be damaged or replaced: see {dataset.homepage}"
    )


def _unpack(archive: Path, dataset: Dataset, target: Path) -> dict[str, str]:
    """Write the files to keep; return path -> SHA-256. The archive's names are not trusted."""
    hashes: dict[str, str] = {}
    size = 0
    try:
        with zipfile.ZipFile(archive) as content:
            for item in content.infolist():
                name = PurePosixPath(*PurePosixPath(item.filename).parts[1:]).as_posix()
                if item.is_dir() or not any(fnmatchcase(name, each) for each in dataset.keep):
                    continue
                size += item.file_size
                if not _is_safe(name) or size > _LARGEST or item.flag_bits & _ENCRYPTED:
                    msg = f"{dataset.name}: {item.filename!r} in the archive is refused"
                    raise DatasetError(msg)
                data = content.read(item)
                path = target / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                hashes[name] = hashlib.sha256(data).hexdigest()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        msg = f"{dataset.name}: the archive is not a complete ZIP file ({error}); it was not used"
        raise DatasetError(msg) from error
    if not hashes:
        msg = f"{dataset.name}: the archive has no files like {', '.join(dataset.keep)}"
        raise DatasetError(msg)
    return hashes


def _is_safe(name: str) -> bool:
    """Return whether a relative path stays below its folder, on any operating system."""
    return ".." not in name.split("/") and not any(sign in name for sign in "\\:\0")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
