"""Raw files: downloads with checksums, archives, text and tables with their mistakes."""

import functools
import gzip
import hashlib
import http.server
import io
import pathlib
import subprocess
import sys
import tarfile
import threading
import zipfile

import pytest

pytest.importorskip("tensorflow_datasets", reason="builders need the experiments extra")

from tensorflow_datasets.core.download import checksums, download_manager

from experiments.datasets.builders import raw
from experiments.datasets.formats.files import read_bytes
from experiments.errors import UserError


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The address of a web server of the files in tmp_path / "public"."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "public").mkdir()
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "public"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        thread = threading.Thread(target=web.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()
        thread.join()


def raw_files(tmp_path, content=None, url=None):
    infos = {}
    if content is not None:
        digest = hashlib.sha256(content).hexdigest()
        infos = {url: checksums.UrlInfo(size=len(content), checksum=digest, filename=None)}
    manager = download_manager.DownloadManager(
        download_dir=tmp_path / "downloads",
        manual_dir=tmp_path / "manual",
        manual_dir_instructions="get it",
        url_infos=infos,
        dataset_name="tiny",
    )
    return raw.RawFiles("tiny", "see the page of tiny", manager)


def test_downloads_are_checked_against_their_registered_checksum(tmp_path, server):
    (tmp_path / "public" / "a.txt").write_bytes(b"published")
    url = f"{server}/a.txt"
    path = raw_files(tmp_path, b"published", url).path("a.txt", url=url)
    assert path.read_bytes() == b"published"
    (tmp_path / "again").mkdir()
    with pytest.raises(UserError, match=r"tiny: .*/a.txt is not the file that was registered"):
        raw_files(tmp_path / "again", b"registered", url).path("a.txt", url=url)
    assert not list((tmp_path / "again").rglob("*.txt"))
    assert not list((tmp_path / "again").rglob("*.tmp.*"))
    with pytest.raises(
        UserError,
        match=r"tiny: Failed to get url .*b.txt. HTTP code: 404.* put b.txt by hand.*see the",
    ):
        raw_files(tmp_path / "again").path("b.txt", url=f"{server}/b.txt")


def test_the_user_s_files_come_first_plain_or_gzipped(tmp_path):
    tiny = raw_files(tmp_path)
    with pytest.raises(UserError, match=r"tiny: no a.txt or b.txt: Manual directory .*manual does"):
        tiny.path("a.txt", "b.txt")
    (tmp_path / "manual" / "tiny").mkdir(parents=True)
    with pytest.raises(UserError, match=r"manual holds no a.txt; see the page of tiny"):
        tiny.path("a.txt")
    (tmp_path / "manual" / "a.txt.gz").write_bytes(gzip.compress(b"text"))
    assert read_bytes(tiny.path("a.txt", url="http://nowhere.invalid/a.txt")) == b"text"
    (tmp_path / "manual" / "tiny" / "a.txt").write_bytes(b"nearer")
    assert read_bytes(tiny.path("a.txt")) == b"nearer"


def archive(path, suffix, size=20_000):
    data = bytes(range(256)) * (size // 256)
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("b/c.bin", data)
    else:
        with tarfile.open(path, "w:gz") as packed:
            entry = tarfile.TarInfo("b/c.bin")
            entry.size = len(data)
            packed.addfile(entry, io.BytesIO(data))
    return data


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_archives_are_read_and_truncated_ones_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    data = archive(path, suffix)
    assert list(raw.members(path)) == [("b/c.bin", data)]
    whole = path.read_bytes()
    for length in (len(whole) - 4, len(whole) - 40, len(whole) // 2, 10, 0):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=rf"a{suffix} cannot be read, or is truncated"):
            list(raw.members(path))


def test_links_in_archives_are_refused(tmp_path):
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
        with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as packed:
            entry = tarfile.TarInfo("link")
            entry.type, entry.linkname = kind, "/etc/passwd"
            packed.addfile(entry)
        with pytest.raises(UserError, match="'link' is a link or a device"):
            list(raw.members(tmp_path / "a.tar.gz"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match="'link' is a link"):
        list(raw.members(tmp_path / "a.zip"))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as packed:
        packed.writestr("..\\..\\c", "")
    with pytest.raises(UserError, match="leaves its folder"):
        list(raw.members(tmp_path / "b.zip"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n3\n", "a.csv line 3: expected 2 cells"),
        (b"a,b\n1,2,3\n", "a.csv line 2: expected 2 cells"),
        (b"a,c\n1,2\n", r"a.csv line 1: no column 'b'; the columns are \['a', 'c'\]"),
        (b"", "a.csv line 1: no column 'a'; the columns are None"),
        (b"a,b\n1,2\n\n1,\xe9\n", "a.csv line 4: byte 0xe9 is not UTF-8"),
    ],
)
def test_broken_tables_are_named_with_their_line(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(raw.csv_rows(tmp_path / "a.csv", ["a", "b"]))


def test_tables_keep_line_ends_in_quotes_and_know_other_encodings(tmp_path):
    path = pathlib.Path(tmp_path / "a.csv.gz")
    path.write_bytes(gzip.compress('a,b\r\n"1\n2",caf\xe9\r\n'.encode("latin-1")))
    assert list(raw.csv_rows(path, encoding="latin-1")) == [(3, {"a": "1\n2", "b": "caf\xe9"})]
    (tmp_path / "b.csv").write_text("\ufeffa\n1\n", encoding="utf-8")
    assert list(raw.csv_rows(tmp_path / "b.csv", ["a"])) == [(2, {"a": "1"})]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"a.csv.gz cannot be read"):
        list(raw.csv_rows(path, encoding="latin-1"))


def test_a_digest_ignores_order_and_sees_names_and_contents():
    a, b = ("a", b"1"), ("b", b"2")
    assert raw.digest([a, b]) == raw.digest([b, a])
    assert len({raw.digest(c) for c in ([a], [a, b], [("c", b"1")], [("a", b"3")])}) == 4


@pytest.mark.slow
def test_cells_of_any_length_whatever_else_is_imported(tmp_path):
    (tmp_path / "t.csv").write_text(f"text\n{'word ' * 40_000}\n")
    code = "import pathlib, sys; from experiments.datasets.builders import raw; "
    code += "print(len(next(raw.csv_rows(pathlib.Path(sys.argv[1])))[1]['text']))"
    command = [sys.executable, "-c", code, str(tmp_path / "t.csv")]
    # `experiments.datasets` itself does not read tables before it is asked to.
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == "200000\n"
