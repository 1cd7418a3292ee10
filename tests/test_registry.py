"""Fetching annotations from a local server: files, rejected archives, and cleanup."""

import hashlib
import io
import json
import socket
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.commands import datasets

from scatseg import registry
from scatseg.datasets import read_references
from scatseg.registry import (
    DATASETS,
    RECEIPT,
    Dataset,
    DatasetError,
    fetch,
    read_receipt,
    verify,
)
from scatseg.runs import RunLockedError, locked

LAB = b"0.0\tA\n10.0\tB\n20.0\tEnd\n"

CONTENT = {
    "salami-123/annotations/2/parsed/textfile1_uppercase.txt": LAB,
    "salami-123/annotations/2/textfile1.txt": b"0.0\tA, a\n20.0\tEnd\n",
    "salami-123/readme.md": b"Public domain\n",
    "salami-123/audio/2.mp3": b"not wanted",
    "salami-123/annotations/2/photo.jpg": b"not wanted",
}


def zipped(content):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in content.items():
            archive.writestr(name, each)
    return data.getvalue()


ARCHIVE = zipped(CONTENT)
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


class Server(ThreadingHTTPServer):
    """Answer each request with the next of `answers`: (status, body, declared length)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = []
        self.requests = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/archive.zip"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests += 1
        status, body, promised = self.server.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def serve(server):
    """Queue answers; return a dataset served there."""

    def queue(*bodies, status=200, missing=0, sha256=SHA256):
        server.answers += [(status, body[: len(body) - missing], len(body)) for body in bodies]
        return Dataset(
            name="small",
            title="A small collection",
            n_tracks=1,
            url=server.url,
            sha256=sha256,
            keep=("annotations/*.txt", "readme.md"),
            license="CC0 1.0",
            citation="Ann, ISMIR 2011",
            homepage="https://example.org",
        )

    return queue


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# ---- What is offered ----------------------------------------------------------------------


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_every_dataset_is_pinned_to_a_commit_and_says_license_and_citation(dataset):
    commit = dataset.url.rsplit("/", 1)[1].removesuffix(".zip")
    assert (len(commit), set(commit) <= set("0123456789abcdef")) == (40, True)
    assert dataset.license
    assert "ISMIR" in dataset.citation
    assert DATASETS[dataset.name] is dataset


# ---- What arrives -------------------------------------------------------------------------


def test_annotations_arrive_and_nothing_else(serve, tmp_path):
    fetched = fetch(serve(ARCHIVE), tmp_path)
    assert (fetched.status, fetched.folder) == ("fetched", tmp_path / "small")
    assert files(tmp_path) == [
        "small/annotations/2/parsed/textfile1_uppercase.txt",
        "small/annotations/2/textfile1.txt",
        "small/fetched.json",
        "small/readme.md",
    ]


def test_what_was_fetched_can_be_read_as_references(serve, tmp_path):
    references = read_references(fetch(serve(ARCHIVE), tmp_path).folder)
    (annotation,) = references.tracks["2"]
    assert (annotation.annotator, annotation.level) == ("1", "upper")
    assert references.problems == ()


def test_receipt_names_source_license_and_the_hash_of_every_file(serve, tmp_path):
    dataset = serve(ARCHIVE)
    receipt = read_receipt(fetch(dataset, tmp_path).folder)
    assert (receipt.url, receipt.sha256, receipt.pinned) == (dataset.url, SHA256, True)
    assert (receipt.license, receipt.citation) == ("CC0 1.0", "Ann, ISMIR 2011")
    name = "annotations/2/parsed/textfile1_uppercase.txt"
    assert receipt.files[name] == hashlib.sha256(LAB).hexdigest()


def test_second_fetch_finds_it_there_and_asks_nobody(serve, server, tmp_path):
    dataset = serve(ARCHIVE)
    fetch(dataset, tmp_path)
    assert fetch(dataset, tmp_path).status == "kept"
    assert server.requests == 1


def test_archive_brought_by_other_means_needs_no_network(serve, server, tmp_path):
    path = tmp_path / "by-hand.zip"
    path.write_bytes(ARCHIVE)
    assert fetch(serve(), tmp_path / "data", archive=path).status == "fetched"
    assert server.requests == 0
    assert path.exists()


def test_force_fetches_again_and_mends_what_changed(serve, tmp_path):
    dataset = serve(ARCHIVE, ARCHIVE)
    folder = fetch(dataset, tmp_path).folder
    (folder / "readme.md").write_text("mine")
    (folder / "annotations/2/textfile1.txt").unlink()
    fetch(dataset, tmp_path, force=True)
    assert verify(folder) == ()
    assert files(tmp_path) == files(folder.parent)
    assert list(tmp_path.iterdir()) == [folder]


# ---- Trust on first use -------------------------------------------------------------------


def test_first_download_of_unknown_hash_is_trusted_and_says_so(serve, tmp_path):
    fetched = fetch(serve(ARCHIVE, sha256=""), tmp_path)
    assert (fetched.status, fetched.receipt.sha256) == ("trusted", SHA256)
    assert not fetched.receipt.pinned


def test_hash_of_the_first_download_is_demanded_of_the_second(serve, tmp_path):
    other = zipped({"top/annotations/1.txt": b"0\tX\n1\tEnd\n"})
    dataset = serve(ARCHIVE, other, sha256="")
    folder = fetch(dataset, tmp_path).folder
    with pytest.raises(DatasetError, match="not the expected one"):
        fetch(dataset, tmp_path, force=True, retries=0)
    assert verify(folder) == ()
    assert list(tmp_path.iterdir()) == [folder]


def test_new_version_of_a_dataset_is_trusted_anew(serve, server, tmp_path):
    other = zipped({"top/annotations/1.txt": b"0\tX\n1\tEnd\n"})
    dataset = serve(ARCHIVE, other, sha256="")
    fetch(dataset, tmp_path)
    newer = replace(dataset, url=f"{server.url}?newer")
    fetched = fetch(newer, tmp_path, force=True)
    assert fetched.status == "trusted"
    assert fetched.receipt.sha256 == hashlib.sha256(other).hexdigest()


def test_damaged_archive_is_never_trusted(serve, tmp_path):
    with pytest.raises(DatasetError, match="not a complete ZIP file"):
        fetch(serve(ARCHIVE[:-40], sha256=""), tmp_path)
    assert list(tmp_path.iterdir()) == []


# ---- What is refused ----------------------------------------------------------------------


def test_wrong_hash_is_refused_and_leaves_nothing(serve, tmp_path):
    with pytest.raises(DatasetError, match=f"expected .*{SHA256} but got"):
        fetch(serve(ARCHIVE + b"!"), tmp_path, retries=0)
    assert list(tmp_path.iterdir()) == []


def test_wrong_hash_of_an_archive_by_hand_is_refused_and_the_archive_left_alone(serve, tmp_path):
    path = tmp_path / "by-hand.zip"
    path.write_bytes(ARCHIVE + b"!")
    with pytest.raises(DatasetError, match=r"by-hand\.zip has the SHA-256"):
        fetch(serve(), tmp_path / "data", archive=path)
    assert files(tmp_path) == ["by-hand.zip"]


def test_missing_page_is_an_error_that_says_what_to_do(serve, tmp_path):
    with pytest.raises(DatasetError, match=r"404 .*fetch with --archive FILE"):
        fetch(serve(b"no such page", status=404), tmp_path, retries=0)
    assert list(tmp_path.iterdir()) == []


def test_nobody_listening_is_an_error_that_says_what_to_do(serve, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    dataset = replace(serve(), url=f"http://127.0.0.1:{port}/archive.zip")
    with pytest.raises(DatasetError, match=r"Connection refused.*try again later"):
        fetch(dataset, tmp_path, retries=0)
    assert list(tmp_path.iterdir()) == []


def test_download_that_is_cut_off_leaves_nothing(serve, tmp_path):
    with pytest.raises(DatasetError, match=r"cannot be downloaded .*IncompleteRead"):
        fetch(serve(ARCHIVE, missing=100, sha256=""), tmp_path, retries=0)
    assert list(tmp_path.iterdir()) == []


def test_download_that_is_cut_off_once_is_tried_again(serve, server, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)  # pooch waits a second between attempts
    server.answers.append((200, ARCHIVE[:100], len(ARCHIVE)))
    assert fetch(serve(ARCHIVE), tmp_path).status == "fetched"
    assert server.requests == 2


def test_remains_of_a_killed_fetch_are_removed_by_the_next(serve, tmp_path):
    (tmp_path / ".scatseg-small" / "new").mkdir(parents=True)
    for name in (".lock", "archive.zip", "new/1.txt"):
        (tmp_path / ".scatseg-small" / name).write_bytes(ARCHIVE[:50])
    assert fetch(serve(ARCHIVE), tmp_path).status == "fetched"
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_two_fetches_of_one_dataset_do_not_disturb_each_other(serve, tmp_path):
    with locked(tmp_path / ".scatseg-small"), pytest.raises(RunLockedError, match="another"):
        fetch(serve(ARCHIVE), tmp_path)
    assert fetch(serve(ARCHIVE), tmp_path).status == "fetched"


def test_folder_without_permission_is_an_os_error(serve, tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", denied)
    with pytest.raises(PermissionError, match="Permission denied"):
        fetch(serve(ARCHIVE), tmp_path / "data")


def test_file_in_the_way_of_the_folder_is_an_os_error(serve, tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        fetch(serve(ARCHIVE), tmp_path / "data")


@pytest.mark.parametrize(
    "name", ["top/annotations/../../x.txt", "top/annotations/C:\\x.txt", "top/annotations/a:b.txt"]
)
def test_archive_that_reaches_out_of_its_folder_is_refused(serve, tmp_path, name):
    archive = zipped({"top/annotations/1.txt": LAB, name: LAB})
    with pytest.raises(DatasetError, match="in the archive is refused"):
        fetch(serve(archive, sha256=""), tmp_path / "data")
    assert files(tmp_path) == []


def test_archive_that_grows_without_end_is_refused(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_LARGEST", 1000)
    archive = zipped({"top/annotations/1.txt": LAB, "top/annotations/2.txt": bytes(2000)})
    with pytest.raises(DatasetError, match=r"2\.txt' in the archive is refused"):
        fetch(serve(archive, sha256=""), tmp_path)


def test_archive_of_something_else_is_refused(serve, tmp_path):
    with pytest.raises(DatasetError, match=r"has no files like annotations/\*\.txt, readme\.md"):
        fetch(serve(zipped({"top/other.txt": LAB}), sha256=""), tmp_path)


def test_folder_of_one_s_own_is_not_written_over(serve, tmp_path):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "mine.lab").write_bytes(LAB)
    with pytest.raises(DatasetError, match="exists, but was not fetched; move it away"):
        fetch(serve(ARCHIVE), tmp_path, force=True)
    assert files(tmp_path) == ["small/mine.lab"]


def test_changed_folder_is_not_taken_for_the_dataset(serve, tmp_path):
    dataset = serve(ARCHIVE)
    folder = fetch(dataset, tmp_path).folder
    (folder / "readme.md").write_text("mine")
    with pytest.raises(DatasetError, match=r"readme\.md changed.*fetch with --force"):
        fetch(dataset, tmp_path)


def test_force_does_not_lose_what_somebody_added(serve, tmp_path):
    dataset = serve(ARCHIVE, ARCHIVE)
    folder = fetch(dataset, tmp_path).folder
    (folder / "mine.lab").write_bytes(LAB)
    with pytest.raises(DatasetError, match=r"mine\.lab is not part of the dataset; move it away"):
        fetch(dataset, tmp_path, force=True)
    assert (folder / "mine.lab").exists()


# ---- Verify -------------------------------------------------------------------------------


def test_verify_names_what_changed_what_is_gone_and_what_was_added(serve, tmp_path):
    folder = fetch(serve(ARCHIVE), tmp_path).folder
    assert verify(folder) == ()
    (folder / "readme.md").write_text("mine")
    (folder / "annotations/2/textfile1.txt").unlink()
    (folder / "extra.lab").write_bytes(LAB)
    found = {p.path.relative_to(folder).as_posix(): p.reason.split(":")[0] for p in verify(folder)}
    assert found == {
        "readme.md": "changed",
        "annotations/2/textfile1.txt": "is gone",
        "extra.lab": "is not part of the dataset",
    }


def test_verify_needs_a_receipt(tmp_path):
    with pytest.raises(DatasetError, match="was not fetched by scatseg"):
        verify(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"files": 3}', "\xff"])
def test_damaged_receipt_is_an_error_that_says_what_to_do(tmp_path, text):
    (tmp_path / RECEIPT).write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError, match=r"cannot be read .*fetch it again"):
        verify(tmp_path)


def test_receipt_without_a_list_of_files_is_an_error(serve, tmp_path):
    folder = fetch(serve(ARCHIVE), tmp_path).folder
    receipt = json.loads((folder / RECEIPT).read_text())
    (folder / RECEIPT).write_text(json.dumps(receipt | {"files": 3}))
    with pytest.raises(DatasetError, match="lists no files"):
        verify(folder)


# ---- The command line ---------------------------------------------------------------------


@pytest.fixture
def run(serve, monkeypatch):
    """`scatseg datasets` with "small" as the only dataset."""
    monkeypatch.setitem(registry.DATASETS, "small", serve(ARCHIVE, sha256=""))
    return datasets


def test_fetch_says_license_citation_and_that_it_had_to_trust(run, tmp_path):
    result = run("fetch", "small", "-o", tmp_path)
    assert (result.return_value, result.stdout) == (0, f"{tmp_path / 'small'}\n")
    assert "license: CC0 1.0" in result.stderr
    assert "cite: Ann, ISMIR 2011" in result.stderr
    assert f"this first download was trusted. It is {SHA256}" in result.stderr


def test_verify_on_the_command_line_is_0_and_then_3(run, tmp_path):
    run("fetch", "small", "-o", tmp_path)
    assert run("verify", "-o", tmp_path).return_value == 0
    (tmp_path / "small" / "readme.md").write_text("mine")
    result = run("verify", "small", "-o", tmp_path)
    assert result.return_value == 3
    assert "readme.md changed" in result.stderr


def test_verify_of_nothing_is_3(run, tmp_path):
    result = run("verify", "-o", tmp_path)
    assert (result.return_value, result.stderr) == (3, f"nothing was fetched into {tmp_path}\n")


def test_list_shows_license_citation_hash_and_whether_it_is_there(run, tmp_path):
    assert "sha256   not known: trust on first use" in run("list", "-o", tmp_path).stdout
    run("fetch", "small", "-o", tmp_path)
    text = run("list", "-o", tmp_path).stdout
    assert "small: A small collection" in text
    assert "license  CC0 1.0" in text
    assert "cite     Ann, ISMIR 2011" in text
    assert f"sha256   {SHA256}" in text
    assert f"here     {tmp_path / 'small'} (3 files)" in text


def test_failed_fetch_is_3_and_one_line(run, server, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    server.answers[:] = [(404, b"", 0)] * 2
    result = run("fetch", "small", "-o", tmp_path)
    assert result.return_value == 3
    assert result.stderr.splitlines()[-1].startswith("small: http://127.0.0.1:")


def test_unknown_dataset_is_a_usage_error(run, tmp_path):
    result = run("fetch", "beetles", "-o", tmp_path)
    assert "there is no dataset 'beetles', only salami, harmonix" in str(result.exception)
