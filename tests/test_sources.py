from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emolens.errors import TooLarge
from emolens.pictures import sources
from emolens.pictures.limits import Limits
from emolens.pictures.sources import expand, read_source, source_name


@pytest.fixture
def photos(tmp_path, monkeypatch) -> Path:
    for name in (
        "b/2.JPG",
        "b/10.png",
        "a.webp",
        "b/deep/er/3.heic",
        "notes.txt",
        ".hidden.jpg",
        ".cache/x.jpg",
        "c.tif",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def posix(paths) -> list[str]:
    return [Path(p).as_posix() for p in paths]


def test_a_folder_gives_its_pictures_in_order(photos):
    assert posix(expand(["."])) == ["a.webp", "b/10.png", "b/2.JPG", "b/deep/er/3.heic", "c.tif"]
    assert posix(expand([Path("b")])) == ["b/10.png", "b/2.JPG", "b/deep/er/3.heic"]


def test_the_order_is_that_of_the_sorted_paths(tmp_path):
    for parts in itertools.product("ab", "12", ("x", "y.jpg")):
        (tmp_path / parts[0] / parts[1]).mkdir(parents=True, exist_ok=True)
        (tmp_path / parts[0] / parts[1] / (parts[2] + ".png")).touch()
    found = [Path(p) for p in expand([str(tmp_path)])]
    assert found == sorted(p for p in tmp_path.rglob("*.png"))


def test_a_glob_that_the_shell_left_alone(photos):
    assert posix(expand(["*.webp", "b/*"])) == ["a.webp", "b/10.png", "b/2.JPG", "b/deep/er/3.heic"]
    assert posix(expand(["**/*.JPG"])) == ["b/2.JPG"]
    assert posix(expand(["b/**"])) == ["b/10.png", "b/2.JPG", "b/deep/er/3.heic"]
    (photos / "[1].jpg").touch()
    assert list(expand(["[1].jpg"])) == ["[1].jpg"]  # a file of that very name is no pattern


def test_what_was_named_twice_comes_once(photos):
    assert posix(expand(["c.tif", "./c.tif", str(photos / "c.tif"), "*.tif", "."]))[0] == "c.tif"
    assert sum(p.endswith("c.tif") for p in expand(["c.tif", str(photos / "c.tif"), "*.tif", "."])) == 1
    assert list(expand(["http://a.test/1", "http://a.test/1"])) == ["http://a.test/1"]


def test_what_is_wrong_comes_out_as_it_is(photos):
    given = ["missing.jpg", "*.bmp", "empty", "http://a.test/x?[1]", "data:image/png;base64,AA*A", "-", "notes.txt"]
    assert list(expand(given)) == given


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_links_are_followed_and_loops_walked_once(photos):
    (photos / "b" / "loop").symlink_to(photos)
    (photos / "b" / "self").symlink_to(photos / "b")
    (photos / "d.jpg").symlink_to(photos / "nowhere.jpg")
    (photos / "elsewhere").symlink_to(photos / "b" / "deep")
    found = posix(expand([str(photos)]))
    assert sorted(Path(p).name for p in found) == ["10.png", "2.JPG", "3.heic", "a.webp", "c.tif", "d.jpg"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_may_not_be_listed_is_not_passed_over(photos):
    (photos / "b" / "deep").chmod(0)
    try:
        assert posix(expand(["b"])) == ["b/10.png", "b/2.JPG", "b/deep"]
    finally:
        (photos / "b" / "deep").chmod(0o755)


def test_it_is_lazy(photos):
    endless = expand(str(n) for n in itertools.count())
    assert list(itertools.islice(endless, 3)) == ["0", "1", "2"]


def test_a_deep_tree_is_walked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(*["d"] * 900).mkdir(parents=True)
    Path(*["d"] * 900, "a.jpg").touch()
    assert len(list(expand(["d"]))) == 1


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a/b.jpg", "a/b.jpg"),
        (Path("a") / "b.jpg", os.path.join("a", "b.jpg")),  # noqa: PTH118 - as the system writes it
        ("https://me:pw@a.test/x.jpg?v=1&token=abc", "https://a.test/x.jpg?v=1&token=***"),
        ("data:image/png;base64," + "A" * 1000, "data:image/png;base64,… (1022 characters)"),
        (b"abc", "bytes:a9993e36"),  # SHA-1 of "abc", FIPS 180-4: a9993e36 4706816a ...
        (np.zeros((2, 2)), "array"),
        (Image.new("L", (2, 2)), "image"),
        ("caf\udce9.jpg", "caf\\udce9.jpg"),  # a file name in Latin-1, which no UTF-8 table could hold
        (None, "NoneType"),
    ],
)
def test_names(source, name):
    assert source_name(source) == name


def test_names_of_opened_files(tmp_path):
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    with (tmp_path / "a.png").open("rb") as file:
        assert source_name(file) == str(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert source_name(picture) == str(tmp_path / "a.png")


def test_a_link_that_leads_to_itself_does_not_hide_its_neighbours(photos):
    (photos / "ring.png").symlink_to("ring.png")
    found = [Path(name).name for name in expand([str(photos)])]
    assert "ring.png" in found
    assert len(found) > 1


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (
            "data:image/png;base64," + "%41" * 500_000,
            "500000 percent escapes, at most 262144 are read; give it as base64",
        ),
        ("data:image/png," + "%41" * 500_000, "500000 percent escapes"),
        ("data:image/png," + "A" * 2_000_000, "1.91 MiB encoded, at most 1 MiB are read"),
        ("data:image/png," + "%41" * 1_100_000, "1.05 MiB encoded"),
        ("data:image/png;base64," + "A" * 2_000_000, "1.43 MiB encoded"),
    ],
)
def test_a_data_uri_that_is_too_large_is_refused_before_it_is_unpacked(monkeypatch, uri, words):
    monkeypatch.setattr(sources, "unquote_to_bytes", lambda _: pytest.fail("it was unpacked"))
    with pytest.raises(TooLarge, match=words):
        read_source(uri, Limits(max_bytes=2**20))


def test_an_escape_counts_as_the_byte_that_it_stands_for():
    assert read_source("data:," + "%41" * 1000, Limits(max_bytes=1000)) == b"A" * 1000
    assert read_source("data:;base64," + "%51UF%42" * 250, Limits(max_bytes=750)) == b"AAA" * 250  # QUFB
