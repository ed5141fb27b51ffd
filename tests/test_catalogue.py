"""The catalogue says what is true of the files that are here, and the loader brings the right bytes or none."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emolens.errors import ChecksumError, NotFetched, OutputError, UnknownName
from emolens.models import catalogue
from emolens.models.card import Licences, ModelCard
from emolens.models.catalogue import MTCNN, YUNET, Entry, WeightFile, entries, entry, is_here, where
from emolens.models.classifier import read_card
from emolens.models.fetch import fetch
from emolens.places import sha256
from fakes import linear_model

BYTES = bytes(range(256)) * 700
GOOD = WeightFile("weights.onnx", len(BYTES), hashlib.sha256(BYTES).hexdigest())
DATA = Path(os.environ.get("EMOLENS_DATA", Path(__file__).parents[1].parent / "shared" / "data"))


class Upstream(BaseHTTPRequestHandler):
    """A server with one good file and every way of going wrong."""

    asked: list[str]

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if self.path == "/missing":
            self.send_error(404)
        elif self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/drip":
            self.drip()
        else:
            self.send_bytes()

    def drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            for byte in BYTES[:60]:
                self.server.asked.append("a drop")  # type: ignore[attr-defined]
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)

    def send_bytes(self) -> None:
        body = {"/wrong": BYTES[::-1], "/short": BYTES[:5000], "/long": BYTES + b"more"}.get(self.path, BYTES)
        length = len(BYTES) if self.path == "/short" else len(body)
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as upstream:
        upstream.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=upstream.serve_forever, args=(0.01,), daemon=True).start()
        yield upstream
        upstream.shutdown()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOLENS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EMOLENS_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def at(server: ThreadingHTTPServer, *paths: str) -> Entry:
    base = f"http://127.0.0.1:{server.server_port}"
    return replace(YUNET, files=(GOOD,), urls=tuple(base + path for path in paths))


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_good_file_arrives_whole_and_is_not_fetched_twice(server: ThreadingHTTPServer, own_home: Path) -> None:
    seen: list[tuple[int, int]] = []
    wanted = at(server, "/good")
    path = fetch(wanted, progress=lambda done, total: seen.append((done, total)), plain_loopback=True)
    assert path == own_home / "models" / "weights.onnx"
    assert path.read_bytes() == BYTES
    assert seen[-1] == (len(BYTES), len(BYTES))
    assert seen == sorted(seen)
    assert fetch(wanted, plain_loopback=True) == path
    assert server.asked == ["/good"]  # type: ignore[attr-defined]
    path.write_bytes(b"spoilt")
    assert fetch(wanted, plain_loopback=True).read_bytes() == BYTES


def test_goes_to_the_folder_asked_for(server: ThreadingHTTPServer, tmp_path: Path, own_home: Path) -> None:
    assert fetch(at(server, "/good"), tmp_path / "new" / "place", plain_loopback=True).parent.name == "place"
    assert not own_home.exists()


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        ("/wrong", ChecksumError, "other bytes"),
        ("/long", ChecksumError, "other bytes"),
        ("/short", NotFetched, "broke off"),
        ("/missing", NotFetched, "404"),
        ("/to/http://192.0.2.1/weights.onnx", NotFetched, "not https"),
        ("/to/file:///etc/hostname", NotFetched, "not allowed"),
        ("/to/http://[::1", NotFetched, "broke off"),
    ],
)
def test_what_goes_wrong_leaves_nothing(
    server: ThreadingHTTPServer, tmp_path: Path, path: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        fetch(at(server, path), tmp_path / "to", plain_loopback=True)
    assert GOOD.sha256 in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left(tmp_path / "to") == []


def test_a_server_that_drips_is_left(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    with pytest.raises(NotFetched, match="too slow"):
        fetch(at(server, "/drip"), tmp_path, timeout=0.4, plain_loopback=True)
    assert server.asked.count("a drop") < 60  # type: ignore[attr-defined]  it was not heard out


def test_what_was_there_survives_a_failure(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    (tmp_path / GOOD.name).write_bytes(b"an older one")
    with pytest.raises(ChecksumError):
        fetch(at(server, "/wrong"), tmp_path, plain_loopback=True)
    assert (tmp_path / GOOD.name).read_bytes() == b"an older one"


def test_mirrors_are_tried_in_order(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    fetch(at(server, "/missing", "/wrong", "/good", "/never"), tmp_path, plain_loopback=True)
    assert server.asked == ["/missing", "/wrong", "/good"]  # type: ignore[attr-defined]
    assert left(tmp_path) == [GOOD.name]


def test_a_redirect_may_change_the_host(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    wanted = at(server, f"/to/http://localhost:{server.server_port}/good")
    assert fetch(wanted, tmp_path, plain_loopback=True).read_bytes() == BYTES


def test_plain_http_is_refused_before_a_byte_is_sent(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    with pytest.raises(NotFetched, match="not https"):
        fetch(at(server, "/good"), tmp_path)
    assert server.asked == []  # type: ignore[attr-defined]


def test_nobody_answers(tmp_path: Path) -> None:
    wanted = replace(YUNET, files=(GOOD,), urls=("http://127.0.0.1:9/weights.onnx",))
    with pytest.raises(NotFetched, match="cannot be reached"):
        fetch(wanted, tmp_path, plain_loopback=True)


def test_offline_says_which_file_goes_where(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    monkeypatch.setenv("EMOLENS_OFFLINE", "1")
    with pytest.raises(NotFetched) as caught:
        fetch(YUNET)
    for part in ("EMOLENS_OFFLINE", YUNET.files[0].name, YUNET.files[0].sha256, str(own_home / "models")):
        assert part in str(caught.value)


def test_a_folder_that_cannot_be_written(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        fetch(at(server, "/good"), tmp_path / "file", plain_loopback=True)


def test_names_are_distinct_and_every_file_is_pinned() -> None:
    names = [each.name for each in entries()]
    assert {"mtcnn", "yunet"} <= set(names)
    assert len(set(names)) == len(names)
    for each in entries():
        assert each.files
        assert all(len(file.sha256) == 64 and file.size > 0 for file in each.files)
        assert all(url.startswith("https://") for url in each.urls)
        assert (each.source == "fetch") == bool(each.urls)


def test_unknown_name_has_a_near_miss() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'yunet'\?"):
        entry("yumet")


def test_mtcnn_lies_in_its_wheel() -> None:
    pytest.importorskip("lz4")
    folder = where("mtcnn")
    assert {file.name for file in entry("mtcnn").files} <= {path.name for path in folder.iterdir()}
    assert is_here(entry("mtcnn"))
    assert fetch(entry("mtcnn")) == folder


def test_what_is_here_already_is_copied_whole_into_a_folder_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "assets").mkdir()
    monkeypatch.setattr(catalogue, "ASSETS", tmp_path / "assets")
    model = linear_model(tmp_path / "assets" / "linear.onnx")
    copy = fetch(entry("linear"), tmp_path / "mirror")
    assert copy == tmp_path / "mirror" / "linear.onnx"
    assert copy.read_bytes() == model.read_bytes()
    assert read_card(copy) == read_card(model)
    assert fetch(entry("mtcnn"), tmp_path / "mirror") == tmp_path / "mirror"
    assert {file.sha256 for file in MTCNN.files} <= {sha256(path) for path in (tmp_path / "mirror").iterdir()}


def test_yunet_is_missed_with_the_command_and_found_once_put_there(own_home: Path) -> None:
    with pytest.raises(NotFetched, match="emolens models fetch yunet"):
        where("yunet")
    assert not is_here(entry("yunet"))
    source = DATA.parent / "models" / "yunet_n_dynamic.onnx"
    (own_home / "models").mkdir(parents=True)
    target = own_home / "models" / source.name
    target.write_bytes(b"another net")
    with pytest.raises(ChecksumError, match="emolens models fetch yunet"):
        where("yunet")
    if not source.exists():
        pytest.skip(f"{source} is not there: set EMOLENS_DATA")
    target.write_bytes(source.read_bytes())
    assert where("yunet") == target
    assert is_here(entry("yunet"))


def test_data_terms_are_told_and_nothing_uncleared_passes_as_commercial() -> None:
    assert "CelebA" in entry("mtcnn").licences.data
    assert "WIDER" in entry("yunet").licences.data
    assert all(each.licences.commercial for each in entries(commercial_only=True))
    assert not {"mtcnn", "yunet"} & {each.name for each in entries(commercial_only=True)}
    assert {each.task for each in entries("faces")} == {"faces"}


def test_shipped_models_are_found_by_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some.onnx").write_bytes(BYTES)
    card = ModelCard(
        name="some", version="1", task="expression", summary="made up", labels=("anger",), taxonomy="ferplus", size=48,
        colour="grey", training_data="none", training="none",
        licences=Licences(code="MIT", data="free", weights="MIT", commercial=True),
    )  # fmt: skip
    card.write(tmp_path / "some.json")
    monkeypatch.setattr(catalogue, "ASSETS", tmp_path)
    found = entry("some")
    assert (found.task, found.source, found.size) == ("expression", "shipped", len(BYTES))
    assert sha256(where("some")) == found.files[0].sha256
    assert [each.name for each in entries(commercial_only=True)] == ["some"]
