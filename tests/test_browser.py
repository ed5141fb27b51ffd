"""The page in a real browser: Debian's chromium, driven by Playwright's client."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import os
import re
import shutil
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from emolens.analyzer import Analyzer
from emolens.errors import Unreadable
from emolens.records import PhotoResult
from emolens.server.app import create_app
from emolens.server.service import Service
from emolens.tables import columns, nested, rows
from emolens.writers import csv_cells
from fakes import evoked_model
from fakes_maps import statistics_model
from serving import served

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install 'emolens[dev]'"
)

CHROMIUM = os.environ.get("EMOLENS_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).is_file(),
    reason="chromium is not here: apt-get install chromium, or name it in EMOLENS_CHROMIUM",
)
ARGUMENTS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
"""CI runs as root, where chromium has no sandbox; its camera is a moving picture that it draws itself."""
PATIENCE = 60_000  # ms: how long a slow machine may take, not how long it should


@pytest.fixture(scope="module")
def astronaut(tmp_path_factory) -> Path:
    """Her face, and as a second one the same again: a group of two."""
    from PIL import Image

    data = pytest.importorskip("skimage.data")
    left = Image.fromarray(data.astronaut()[:300, 60:400])
    both = Image.new("RGB", (2 * left.width, left.height))
    both.paste(left)
    both.paste(left.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (left.width, 0))
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    both.save(path)
    return path


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer("expression,group")


@pytest.fixture(scope="module")
def address(analyzer):
    with served(create_app(analyzer, Service())) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, address):
    """Opens the page; at the end nothing may have gone wrong in it, and nothing been asked of another place."""
    contexts, faults, asked = [], [], set()

    def start(to: str = address, ready: bool = True, **options):
        context = chromium.new_context(permissions=["camera"], **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
        page.on(
            "request", lambda request: asked.add(re.sub(r"^(\w+:(//[^/]*)?).*", r"\1", request.url, flags=re.DOTALL))
        )
        page.goto(to)
        if ready:
            page.wait_for_selector("body[data-ready]")
        return page

    yield start
    for context in contexts:
        context.close()
    assert faults == []
    assert all(place.startswith(("http://127.0.0.1:", "blob:", "data:")) for place in asked), asked


def give(page, *files: Path) -> None:
    page.set_input_files("#files", [str(file) for file in files])


def choose(page, *files: Path) -> None:
    """Files, and the wait until they are answered."""
    give(page, *files)
    page.wait_for_selector("#panel .card")


def saved(page, button: str) -> tuple[str, bytes]:
    """The name and content of what a button saves."""
    with page.expect_download() as waiting:
        page.click(button)
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def hold(page, pattern: str, first: int = 0) -> list:
    """Requests that the service gets only when they are let go, `first` of them at once."""
    held, gone = [], []
    page.route(pattern, lambda route: held.append(route) if len(gone) >= first else (gone.append(1), route.continue_()))
    return held


def focused(page) -> str:
    """What the keyboard stands on."""
    return page.evaluate("(e => e.getAttribute('aria-label') || e.id || e.tagName)(document.activeElement)")


def same_places(page, result: PhotoResult) -> bool:
    """Whether each box lies over its face, to 3 pixels of the screen."""
    frame = page.locator("#stage img").bounding_box()
    scale = frame["width"] / result.size[0]
    for n, face in enumerate(result.faces):
        shown = page.locator(".box").nth(n).bounding_box()
        found = [shown["x"] - frame["x"], shown["y"] - frame["y"], shown["width"], shown["height"]]
        x1, y1, x2, y2 = (side * scale for side in face.box)
        if found != pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=3):
            return False
    return page.locator(".box").count() == len(result.faces)


def serious(page) -> list[str]:
    """What axe-core finds that is serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    nodes = [(one, node) for one in found if one["impact"] in ("serious", "critical") for node in one["nodes"]]
    return [f"{one['id']}: {node['html'][:120]} {node['failureSummary'][:200]}" for one, node in nodes]


def test_a_dropped_photo_shows_its_faces(open_page, astronaut, analyzer):
    page = open_page()
    packed = base64.b64encode(astronaut.read_bytes()).decode()
    page.evaluate(
        """packed => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(atob(packed), c => c.charCodeAt(0))], "astronaut.png"));
            const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
            document.body.dispatchEvent(drop);
        }""",
        packed,
    )
    page.wait_for_selector("#panel .card")
    result = analyzer.analyze(astronaut)
    assert page.locator(".box").count() == len(result.faces) == 2
    assert same_places(page, result)
    assert page.locator("#face .big").inner_text().strip() == result.expressions[0].label
    assert page.locator("#group .big").inner_text().split()[0] == result.group.prediction.label
    assert "2 faces" in page.locator("#said").inner_text()


def test_faces_are_walked_by_keyboard(open_page, astronaut):
    page = open_page()
    choose(page, astronaut)
    assert page.locator("#face h2").inner_text() == "Face 1 of 2 shows"
    for _ in range(12):  # from the top of the page by Tab alone
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.box')"):
            break
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Face 1: ")
    page.keyboard.press("Tab")
    assert page.locator("#face h2").inner_text() == "Face 2 of 2 shows"
    assert [page.locator(".box").nth(n).get_attribute("aria-pressed") for n in (0, 1)] == ["false", "true"]
    page.keyboard.press("ArrowLeft")
    assert page.locator("#face h2").inner_text() == "Face 1 of 2 shows"
    page.locator("#face .chips button").nth(1).click()
    assert page.locator("#face h2").inner_text() == "Face 2 of 2 shows"
    assert page.evaluate("document.activeElement.textContent") == "2"  # the focus stays where it was


def test_what_is_exported_is_what_the_library_says(open_page, astronaut, analyzer):
    page = open_page(accept_downloads=True)
    choose(page, astronaut)
    expected: PhotoResult = analyzer.analyze(astronaut)
    name, data = saved(page, "#csv")
    assert name == "emolens.csv"
    table = list(csv.DictReader(io.StringIO(data.decode())))
    assert [(row["target"], row["label"]) for row in table] == [(row["target"], row["label"]) for row in rows(expected)]
    assert table[0]["source"] == "astronaut.png"
    name, data = saved(page, "#json")
    assert name == "emolens.json"
    assert json.loads(data)[0]["faces"][1]["label"] == expected.expressions[1].label
    name, data = saved(page, "#annotated")
    assert name == "astronaut_annotated.jpg"
    assert data[:3] == b"\xff\xd8\xff"


def test_several_pictures_and_one_that_is_none(open_page, astronaut, tmp_path):
    (tmp_path / "notes.txt").write_text("not a picture")
    page = open_page()
    choose(page, astronaut, tmp_path / "notes.txt")
    page.wait_for_function(
        "() => ![...document.querySelectorAll('#strip button')].some(b => b.textContent.includes('…'))"
    )
    strip = page.locator("#strip button")
    assert [strip.nth(n).locator("span").inner_text() for n in (0, 1)] == ["2", "!"]
    strip.nth(1).click()
    assert page.locator("#stage h2").inner_text() == "notes.txt was not analysed"
    assert "Not a picture that can be read" in page.locator("#stage").inner_text()
    assert page.locator("#panel").is_hidden()
    assert serious(page) == []
    page.click("#clear")
    assert page.locator("#drop .invite").is_visible()
    assert page.locator("#work").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_serious(open_page, astronaut, scheme, width):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    assert serious(page) == []
    choose(page, astronaut)
    page.locator("#meaning summary").click()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(22, 24, 27)" if scheme == "dark" else "rgb(255, 255, 255)")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != paper


def test_the_camera_asks_first_and_lets_go(open_page):
    page = open_page()
    page.click("#camera")
    assert "stays on this machine" in page.locator("#lens-text").inner_text()
    assert page.locator("#viewer").is_hidden()
    assert page.evaluate("document.getElementById('viewer').srcObject") is None  # nothing is opened before a click
    assert serious(page) == []
    page.click("#lens-start")
    page.wait_for_function("() => document.getElementById('viewer').videoWidth > 0")
    page.evaluate("window.track = document.getElementById('viewer').srcObject.getTracks()[0]")
    page.click("#lens-take")
    page.wait_for_selector("#panel .card")
    assert page.locator("#panel h2").first.inner_text() == "No face found"
    assert page.evaluate("window.track.readyState") == "ended"


def test_a_picture_is_pasted(open_page, astronaut):
    page = open_page()
    page.evaluate(
        """packed => {
            const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(packed), c => c.charCodeAt(0));
            transfer.items.add(new File([bytes], "image.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
        }""",
        base64.b64encode(astronaut.read_bytes()).decode(),
    )
    page.wait_for_selector("#panel .card")
    assert page.locator(".box").count() == 2


@pytest.mark.parametrize("form", ["TIFF", "HEIF"])
def test_a_format_that_browsers_do_not_show_has_its_faces_where_they_are(
    open_page, astronaut, analyzer, tmp_path, form
):
    from PIL import Image

    if form == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    path = tmp_path / f"scan.{form.lower()}"
    Image.open(astronaut).save(path, form)
    page = open_page(accept_downloads=True)
    choose(page, path)
    result = analyzer.analyze(path)
    assert len(result.faces) >= 2
    assert page.evaluate("document.querySelector('#stage img').naturalWidth") == 680
    assert same_places(page, result)
    page.locator(".box").nth(1).click()
    assert page.locator("#face h2").inner_text() == f"Face 2 of {len(result.faces)} shows"
    assert page.locator("#face .big").inner_text().strip() == result.expressions[1].label
    table = list(csv.DictReader(io.StringIO(saved(page, "#csv")[1].decode())))
    assert [row["p_happiness"] for row in table[:2]] == [f"{row['p_happiness']:.6g}" for row in rows(result)[:2]]


def test_an_address_is_asked_once_and_its_picture_is_like_any_other(open_page, astronaut, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("emolens.server.desk.fetch", lambda url, _: asked.append(url) or astronaut.read_bytes())
    analyzer = Analyzer("expression,group,evoked", models=[statistics_model(tmp_path / "evoked.onnx")])
    with served(create_app(analyzer, Service(allow_urls=True))) as port:
        page = open_page(f"http://127.0.0.1:{port}/", accept_downloads=True)
        page.fill("#url", "https://photos.example/two.png?size=large")
        page.click("#address button")
        page.wait_for_selector("#panel .card")
        plain = Request(
            f"http://127.0.0.1:{port}/v1/annotate?plain=true", astronaut.read_bytes(), {"Content-Type": "image/png"}
        )
        shown = urlopen(plain, timeout=60).read()
        assert same_places(page, analyzer.analyze(shown))  # what is shown is what was judged
        page.click("#heat-show")
        page.wait_for_selector("#stage .heat")
        name, data = saved(page, "#annotated")
        assert (name, data[:3]) == ("two_annotated.jpg", b"\xff\xd8\xff")
        assert json.loads(saved(page, "#json")[1])[0]["source"] == "two.png"
        assert asked == ["https://photos.example/two.png?size=large"]
        page.context.close()


def test_what_is_not_analysed_has_a_row_that_says_so(open_page, astronaut, analyzer, tmp_path):
    (tmp_path / "=notes, old.txt").write_text("not a picture")
    page = open_page(accept_downloads=True)
    held = hold(page, "**/v1/analyze*", first=1)
    give(page, astronaut, tmp_path / "=notes, old.txt")
    page.wait_for_selector("#panel .card")
    assert page.locator("#csv").is_disabled()  # half a table would look like a whole one
    assert page.locator("#json").is_disabled()
    assert "1 of 2 to go" in page.locator("#rest").inner_text()
    held[0].continue_()
    page.wait_for_selector("#csv:enabled")
    assert "1 of 2 not analysed" in page.locator("#rest").inner_text()
    with pytest.raises(Unreadable) as why:
        analyzer.analyze(io.BytesIO(b"not a picture"))
    failed = PhotoResult("=notes, old.txt", "unreadable", message=str(why.value))
    table = list(csv.reader(io.StringIO(saved(page, "#csv")[1].decode())))
    names = columns(analyzer.classes)
    assert table[0] == list(names)
    (cells,) = csv_cells(rows(failed), names)
    assert table[-1] == ["" if cell is None else str(cell) for cell in cells]
    assert len(table) == 1 + len(rows(analyzer.analyze(astronaut))) + 1
    told = json.loads(saved(page, "#json")[1])
    assert [one["status"] for one in told] == ["ok", "unreadable"]
    assert told[1]["message"].split(": ")[-1] == failed.message.split(": ")[-1]
    assert {**told[1], "message": ""} == {**nested(failed), "message": ""}


def test_the_group_is_told_as_it_is_computed(open_page, analyzer, shared_data):
    photo = shared_data / "photos" / "human__group-1.jpg"
    result = analyzer.analyze(photo)
    page = open_page()
    choose(page, photo)
    group = page.locator("#group")
    labels = [one.label for one in result.expressions]
    counts = sorted({name: labels.count(name) for name in labels}.items(), key=lambda pair: -pair[1])
    assert len(counts) > 1  # they do not all look alike, and the group is sure all the same
    assert f"The faces: {', '.join(f'{n} {name}' for name, n in counts)}." in group.inner_text()
    assert group.locator(".big").inner_text().split()[0] == result.group.prediction.label
    assert group.locator(".big").inner_text().endswith(" probable")
    weights = sorted(result.group.contributions, reverse=True)[:12]
    assert group.locator(".weights .n").all_inner_texts() == [f"{100 * weight:.0f} %" for weight in weights]
    track, bar = group.locator(".weights .track").first, group.locator(".weights .track > div").first
    share = bar.bounding_box()["width"] / track.bounding_box()["width"]
    assert share == pytest.approx(weights[0], abs=0.005)  # the whole bar is all the weight, not that of the heaviest
    words = page.locator("#meaning").text_content()
    assert "certain and surely detected faces count more" not in words
    assert "How sure its expression is does not weigh" in words  # emolens.group


def test_the_keyboard_stays_where_it_stands_while_others_are_answered(open_page, astronaut, tmp_path):
    second = tmp_path / "second.png"
    shutil.copy(astronaut, second)
    page = open_page()
    held = hold(page, "**/v1/analyze*", first=1)
    give(page, astronaut, second)
    page.wait_for_selector("#panel .card")
    page.locator("#strip button").first.focus()
    held[0].continue_()
    page.wait_for_selector("#strip button[aria-label='second.png: waiting']", state="detached")
    assert focused(page).startswith("astronaut.png: 2 faces")
    page.locator("#strip button").nth(1).press("Enter")
    assert focused(page).startswith("second.png: 2 faces")


def test_the_keyboard_is_not_lost_with_what_it_pressed(open_page, astronaut):
    page = open_page()
    slow = {"status": 408, "content_type": "application/problem+json", "body": '{"detail": "not here after 30 s"}'}
    page.route("**/v1/analyze*", lambda route: route.fulfill(**slow))
    give(page, astronaut)
    page.locator("#stage button").press("Enter")  # a slow line is worth another try
    assert focused(page) == "Picture"
    page.unroute("**/v1/analyze*")
    page.wait_for_selector("#stage button")
    page.locator("#stage button").press("Enter")
    page.wait_for_selector("#panel .card")
    assert focused(page) == "Picture"


def test_the_map_takes_the_keyboard_only_from_its_own_button_and_stands_in_one_sight_with_the_picture(
    open_page, shared_data, tmp_path
):
    analyzer = Analyzer("expression,group,evoked", models=[statistics_model(tmp_path / "evoked.onnx")])
    with served(create_app(analyzer, Service())) as port:
        page = open_page(f"http://127.0.0.1:{port}/", viewport={"width": 1280, "height": 800})
        choose(page, shared_data / "photos" / "human__group-1.jpg")
        held = hold(page, "**/v1/analyze*")
        page.locator("#heat-show").press("Enter")
        assert focused(page) == "heat-show"  # still, though it is being answered
        page.locator(".box").nth(5).focus()
        held[0].continue_()
        page.wait_for_selector("#opacity")
        assert focused(page).startswith("Face 6: ")
        page.unroute("**/v1/analyze*")
        page.click("#clear")
        choose(page, shared_data / "photos" / "human__group-1.jpg")
        page.locator("#heat-show").press("Enter")
        page.wait_for_selector("#opacity")
        assert focused(page) == "opacity"
        picture, controls = page.locator("#stage img").bounding_box(), page.locator("#under").bounding_box()
        assert picture["y"] >= 0
        assert controls["y"] + controls["height"] <= 800
        page.context.close()


def test_in_a_crowd_the_number_of_the_chosen_face_is_in_sight(open_page, shared_data):
    page = open_page()
    choose(page, shared_data / "photos" / "human__solvay1927.jpg")
    for n in (-1, 0):
        page.locator(".box").nth(n).focus()
        chip, chips = page.locator(".chips [aria-pressed=true]").bounding_box(), page.locator(".chips").bounding_box()
        assert chips["y"] <= chip["y"]
        assert chip["y"] + chip["height"] <= chips["y"] + chips["height"]


def drop(page, kind: str, text: str) -> None:
    page.evaluate(
        """([kind, text]) => {
            const transfer = new DataTransfer();
            transfer.setData(kind, text);
            const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
            document.body.dispatchEvent(drop);
        }""",
        [kind, text],
    )


def test_a_dropped_link_is_fetched_or_it_is_said_that_it_is_not(open_page, analyzer, astronaut, monkeypatch):
    page = open_page()
    drop(page, "text/uri-list", "https://photos.example/two.png")
    assert page.locator("#fault").inner_text() == "This service fetches no links. Save the picture and give its file."
    drop(page, "text/plain", "some words")
    assert page.locator("#fault").inner_text().startswith("That is neither a file nor a link.")
    monkeypatch.setattr("emolens.server.desk.fetch", lambda *_: astronaut.read_bytes())
    with served(create_app(analyzer, Service(allow_urls=True))) as port:
        page = open_page(f"http://127.0.0.1:{port}/")
        drop(page, "text/uri-list", "# two of her\r\nhttps://photos.example/two.png\r\n")
        page.wait_for_selector("#panel .card")
        assert page.locator("#face .chips button").count() >= 2
        page.context.close()


def test_a_page_without_facts_says_so(open_page, chromium, address):
    page = open_page("about:blank", ready=False)
    page.route("**/web/facts.json", lambda route: route.abort())
    page.goto(address)
    page.wait_for_selector("#fault:not([hidden])")
    assert "load this page again" in page.locator("#fault").inner_text()
    assert page.locator("#pick").is_disabled()


def test_a_file_that_is_gone_is_not_blamed_on_the_service(open_page, astronaut, tmp_path):
    path = tmp_path / "soon_gone.png"
    shutil.copy(astronaut, path)
    page = open_page()
    page.route("**/v1/analyze*", lambda route: route.abort())
    give(page, path)
    page.wait_for_selector("#stage .sign")
    assert "The service does not answer" in page.locator("#stage").inner_text()
    path.unlink()
    page.unroute("**/v1/analyze*")
    page.click("#stage button")
    page.wait_for_selector("#stage .sign")
    assert "The file cannot be read any more" in page.locator("#stage").inner_text()
    assert page.locator("#stage button").count() == 0


@pytest.mark.parametrize(("name", "words"), [("NotFoundError", "No camera was found"), ("NotAllowedError", "Allow it")])
def test_why_there_is_no_camera_is_said(open_page, name, words):
    page = open_page()
    page.evaluate(
        "name => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', name)); }", name
    )
    page.click("#camera")
    page.click("#lens-start")
    page.wait_for_selector("#lens-error:not([hidden])")
    assert words in page.locator("#lens-error").inner_text()


def test_a_small_limit_is_told_as_it_is(open_page, analyzer, tmp_path):
    (tmp_path / "noise.png").write_bytes(os.urandom(500 * 1024))
    with served(create_app(analyzer, Service(max_bytes=400 * 1024))) as port:
        page = open_page(f"http://127.0.0.1:{port}/")
        give(page, tmp_path / "noise.png")
        page.wait_for_selector("#stage .sign")
        assert "It has 500 KiB, at most 400 KiB are taken" in page.locator("#stage").inner_text()
        page.context.close()


def test_videos_are_sent_one_after_the_other(open_page, astronaut, tmp_path):
    for name in ("first.mp4", "second.mp4"):
        (tmp_path / name).write_bytes(b"a film")
    page = open_page()
    held = hold(page, "**/v1/video*")
    give(page, tmp_path / "first.mp4", tmp_path / "second.mp4", astronaut)
    page.wait_for_selector("#strip button[aria-label^='astronaut.png: 2 faces']")  # given after them, and answered
    assert len(held) == 1
    with page.expect_request("**/v1/video*"):
        held[0].abort()


def test_a_video_has_its_timeline_beside_it(open_page, tmp_path):
    pytest.importorskip("av")
    from videos import write_video

    astronaut = pytest.importorskip("skimage.data").astronaut()[:320, 60:380]
    path = write_video(tmp_path / "clip.mp4", [astronaut] * 10, rate=10)
    page = open_page()
    give(page, path)
    frame = page.frame_locator("#stage iframe")
    assert "1 person" in frame.locator("#headline").inner_text()
    assert frame.locator(".lane").count() >= 2
    frame.locator("#lanes").press("End")
    assert float(frame.locator("#lanes").get_attribute("aria-valuenow")) > 0.5
    assert page.locator("#csv").is_enabled()
    paper = "getComputedStyle(document.body).backgroundColor"
    for colour in ("rgb(22, 24, 27)", "rgb(255, 255, 255)"):
        page.click("#theme")
        assert page.evaluate(paper) == colour
        assert frame.locator("body").evaluate(f"() => {paper}") == colour
    page.set_viewport_size({"width": 360, "height": 800})
    assert frame.locator("html").evaluate("e => e.scrollWidth - e.clientWidth") == 0
    if kept := os.environ.get("EMOLENS_SCREENSHOTS"):
        page.screenshot(path=str(Path(kept) / "timeline.png"), full_page=True)


def test_a_service_with_a_key_asks_for_it(open_page, analyzer, astronaut):
    with served(create_app(analyzer, Service(api_key="k" * 24))) as port:
        page = open_page(f"http://127.0.0.1:{port}/")
        give(page, astronaut)
        page.wait_for_selector("#lock[open]")
        assert serious(page) == []
        assert page.locator("#lock-wrong").is_hidden()
        page.fill("#key", "w" * 24)
        page.keyboard.press("Enter")
        page.wait_for_selector("#lock-wrong")
        page.keyboard.press("Escape")
        page.wait_for_selector("#stage h2")
        assert "needs its key" in page.locator("#stage .message").inner_text()
        page.click("#stage button")
        page.wait_for_selector("#lock[open]")
        page.fill("#key", "k" * 24)
        page.keyboard.press("Enter")
        page.wait_for_selector("#panel .card")
        page.context.close()


def test_what_is_forgotten_is_not_waited_for(open_page, astronaut):
    page = open_page()
    page.route("**/v1/analyze*", lambda route: None)  # never answered
    with page.expect_event("requestfailed") as failed:
        give(page, astronaut)
        page.wait_for_selector("#stage .spinner")
        page.click("#clear")
    assert "/v1/analyze" in failed.value.url
    page.unroute("**/v1/analyze*")
    choose(page, astronaut)
    assert page.locator("#strip").is_hidden()  # it is the only one


def test_what_a_picture_evokes_has_its_wheel(open_page, astronaut, tmp_path):
    analyzer = Analyzer(models=[evoked_model(tmp_path / "evoked.onnx")])
    said = analyzer.analyze(astronaut).evoked
    assert said is not None
    with served(create_app(analyzer, Service())) as port:
        page = open_page(f"http://127.0.0.1:{port}/")
        choose(page, astronaut)
        assert page.locator("#evoked .big").inner_text().strip() == said.label
        wheel, plane = page.locator("#evoked svg").nth(0), page.locator("#evoked svg").nth(1)
        assert wheel.locator(".petal").count() == 6  # neutral is the middle
        assert f"{said.label} {said.probability(said.label) * 100:.0f} %" in wheel.get_attribute("aria-label")
        dot = plane.locator(".dot")  # on a square of 120, whose edges are 1 and 9
        assert float(dot.get_attribute("cx")) == pytest.approx((said.valence - 1) * 15, abs=0.01)
        assert float(dot.get_attribute("cy")) == pytest.approx(120 - (said.arousal - 1) * 15, abs=0.01)
        assert page.locator("#evoked .values dd:not(.small)").all_inner_texts() == [
            f"{said.valence:.1f}",
            f"{said.arousal:.1f}",
        ]
        spread = said.entropy / math.log(len(said.taxonomy))
        assert page.locator("#evoked .meters").first.locator("dd").all_inner_texts() == [
            f"{said.confidence * 100:.0f} %",
            f"{spread * 100:.0f} %",
        ]
        assert page.locator(".box").count() == 2
        assert page.locator("#evoked .terms").inner_text() == (
            "linear_evoked learnt from Six Tests: academic research only"
        )
        assert serious(page) == []
        page.context.close()


def test_the_map_is_laid_over_the_picture_as_strong_as_wanted(open_page, astronaut, tmp_path):
    analyzer = Analyzer(models=[statistics_model(tmp_path / "evoked.onnx")])
    with served(create_app(analyzer, Service())) as port:
        page = open_page(f"http://127.0.0.1:{port}/")
        choose(page, astronaut)
        assert page.locator(".heat").count() == 0  # it costs time, so it is asked for
        page.click("#heat-show")
        page.wait_for_selector("#opacity")
        layer, slider = page.locator("#stage .heat"), page.locator("#opacity")
        assert page.evaluate("document.activeElement.id") == "opacity"
        before = float(layer.evaluate("e => getComputedStyle(e).opacity"))
        for _ in range(4):
            page.keyboard.press("ArrowLeft")
        assert float(layer.evaluate("e => getComputedStyle(e).opacity")) == pytest.approx(before - 0.2, abs=0.001)
        assert slider.get_attribute("aria-valuetext") == page.locator("#opacity-shown").inner_text() == "50 %"
        assert layer.get_attribute("aria-label") == "Map of the whole answer, opacity 50 %"
        picture, shown = page.locator("#stage img").bounding_box(), layer.bounding_box()
        assert [shown[side] for side in shown] == pytest.approx([picture[side] for side in shown], abs=1)
        pixels = "e => e.toDataURL()"
        whole = layer.evaluate(pixels)
        assert page.locator("#condition option").count() == 8  # the whole answer, and seven emotions
        page.select_option("#condition", "fear")
        assert layer.get_attribute("aria-label") == "Map of fear, opacity 50 %"
        assert layer.evaluate(pixels) != whole
        page.locator(".box").nth(1).click()  # the map lies over the faces and does not hide them
        assert page.locator("#face h2").inner_text() == "Face 2 of 2 shows"
        assert page.locator("#condition").input_value() == "fear"  # and stays as it was set
        assert serious(page) == []
        if kept := os.environ.get("EMOLENS_SCREENSHOTS"):
            page.screenshot(path=str(Path(kept) / "map.png"), full_page=True)
        page.context.close()


def test_where_nothing_is_evoked_there_is_no_wheel(open_page, astronaut):
    page = open_page()
    choose(page, astronaut)
    assert page.locator("#evoked").count() == 0


def test_a_service_that_has_ended_is_an_error_that_can_be_tried_again(open_page, analyzer, astronaut):
    with served(create_app(analyzer, Service())) as port:
        page = open_page(f"http://127.0.0.1:{port}/")
    give(page, astronaut)
    page.wait_for_selector("#stage .sign")
    assert "does not answer" in page.locator("#stage").inner_text()
    assert page.locator("#stage button").inner_text() == "Try again"
