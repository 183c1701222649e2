"""Without a network: every kind of download says so within seconds, and what to do."""

import contextlib
import socket
import time

import pytest

pytest.importorskip("tensorflow_datasets", reason="data sets need the experiments extra")

from tensorflow_datasets import core, features
from tensorflow_datasets.core.download import checksums, download_manager, downloader

from experiments import datasets
from experiments.datasets.builders import raw
from experiments.datasets.sources import network, tfds
from experiments.errors import UserError
from tests.experiments.test_tfds import builder_class

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(params=["closed", "silent"])
def nowhere(request, monkeypatch):
    """An address that refuses connections, or takes them and says nothing; and the reason."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(network, "PATIENCE", 0.5)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.txt"
        if request.param == "silent":
            server.listen()
            yield address, "no answer within 0.5 seconds"
        else:
            yield address, "Connection refused"


@contextlib.contextmanager
def within_seconds():
    """TFDS's ten tries take minutes, scikit-learn's three some seconds."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < 3


def test_raw_files_of_builders(tmp_path, nowhere):
    address, reason = nowhere
    manager = download_manager.DownloadManager(
        download_dir=tmp_path / "downloads",
        manual_dir=tmp_path / "mine",
        manual_dir_instructions="get it",
        dataset_name="tiny",
    )
    raw_files = raw.RawFiles("tiny", "see the page of tiny", manager)
    before = downloader._open_url, downloader.MAX_RETRIES
    message = (
        f"tiny: {address} cannot be reached: .*{reason}; or put a.txt by "
        f"hand into {tmp_path}/mine: see the page of tiny"
    )
    with within_seconds(), pytest.raises(UserError, match=message):
        raw_files.path("a.txt", url=address)
    assert (downloader._open_url, downloader.MAX_RETRIES) == before
    assert not list((tmp_path / "downloads").rglob("*.tmp.*"))


@pytest.mark.slow
@pytest.mark.parametrize("registered", [True, False])
def test_data_sets_of_tfds(tmp_path, nowhere, registered):
    address, reason = nowhere

    def split_generators(self, manager):
        manager.download({"a": address, "b": address + "?"})

    url_infos = {
        url: checksums.UrlInfo(size=1, checksum="0" * 64, filename="a.txt" if registered else None)
        for url in (address, address + "?")
    }
    tiny = builder_class(
        {"text": features.Text()}, {}, _split_generators=split_generators, url_infos=url_infos
    )
    where = (
        f"or download it by hand as {tmp_path}/downloads/manual/a.txt"
        if registered
        else f"prepare it where there is a network, and copy the folder tiny/1.0.0 to {tmp_path}"
    )
    message = rf"tiny cannot be prepared: {address}\??? cannot be reached: .*{reason}; .*{where}"
    with within_seconds(), pytest.raises(UserError, match=message):
        tfds.from_class(tiny, "", tmp_path, 16)
    assert isinstance(tiny(data_dir=tmp_path), core.GeneratorBasedBuilder)


def test_openml(tmp_path, nowhere, monkeypatch):
    from sklearn.datasets import _openml

    address, reason = nowhere
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    monkeypatch.setattr(_openml, "_DATA_INFO", address + "/{}")
    before = _openml.urlopen, socket.getdefaulttimeout()
    message = (
        f"openml:40597: {address}/40597 cannot be reached: .*{reason}; or give the ARFF file of "
        "https://www.openml.org/d/40597 by its path"
    )
    with within_seconds(), pytest.raises(UserError, match=message):
        datasets.load("openml:40597")
    assert (_openml.urlopen, socket.getdefaulttimeout()) == before
