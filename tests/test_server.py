"""What the service answers: the library's own results, whichever way a picture comes in."""

from __future__ import annotations

import base64
import csv
import http.client
import io
import json
import logging
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Timer

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from emolens import __version__, analyze
from emolens.analyzer import Analyzer
from emolens.cli import app as command
from emolens.server import examples
from emolens.server.app import create_app
from emolens.server.guards import HEADERS
from emolens.server.pages import WEB
from emolens.server.schema import Answer, FilmAnswer, Models
from emolens.tables import nested
from emolens.watching.summary import NOTICE
from fakes import linear_model
from fakes_maps import statistics_model
from serving import HOME, PNG, TwoFaces, client_of, encoded, linear_analyzer, picture, served

URI = "data:image/png;base64," + base64.b64encode(PNG).decode()
PNG_TYPE = {"content-type": "image/png"}
KEY = "k" * 24


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory):
    return linear_analyzer(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def client(analyzer):
    with client_of(analyzer) as client:
        yield client


def upload(name: str = "a.png", data: bytes = PNG):
    return ("file", (name, data, "image/png"))


def close(a, b):
    """Equal but for the last digit of floats: sums go in another order in a batch."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            close(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            close(one, other)
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-6)
    else:
        assert a == b


def test_an_upload_is_answered_as_the_library_answers_it(client, analyzer):
    answer = client.post("/v1/analyze", files=[upload()])
    assert answer.status_code == 200
    told = answer.json()
    assert told["notice"] == NOTICE
    (result,) = told["results"]
    assert result.pop("source") == "a.png"
    expected = nested(analyzer.analyze(PNG))
    del expected["source"]
    assert len(result["faces"]) == 2
    close(result, expected)


def test_all_ways_in_give_one_answer(client):
    ways = [
        client.post("/v1/analyze", files=[upload("picture")]),
        client.post("/v1/analyze", content=PNG, headers=PNG_TYPE),
        client.post("/v1/analyze", content=PNG, headers={"content-type": "application/octet-stream"}),
        client.post("/v1/analyze", json={"source": URI}),
        client.post("/v1/analyze", json={"source": [URI]}),
        client.post("/v1/analyze", files=[("file", (None, URI))]),
    ]
    answers = [way.json()["results"][0] for way in ways]
    for answer in answers:
        answer.pop("source")
        close(answer, answers[0])


def test_several_pictures_keep_their_order_and_a_broken_one_is_a_result(client):
    files = [upload("1.png"), upload("2.png", b"GIF89a broken"), upload("3.png", encoded(picture(30, 30)))]
    told = client.post("/v1/analyze", files=files).json()["results"]
    assert [one["source"] for one in told] == ["1.png", "2.png", "3.png"]
    assert [one["status"] for one in told] == ["ok", "unreadable", "no_face"]
    assert told[1]["message"].startswith("2.png: ")


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"hello", 415, "not a picture that can be read"),
        (b"%PDF-1.7 ...", 415, "not a picture"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + bytes(40), 415, "a.png: a video, not a picture; send it to /v1/video"),
        (b"\x1aE\xdf\xa3" + bytes(40), 415, "send it to /v1/video"),
        (PNG[:200], 422, "cannot be decoded"),
        (encoded(picture(12, 300)), 422, "12 x 300 pixels"),
        (b"", 422, "empty"),
    ],
)
def test_one_picture_that_cannot_be_read_is_a_refusal_with_a_reason(client, data, status, words):
    answer = client.post("/v1/analyze", files=[upload("a.png", data)])
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert words in problem["detail"]
    assert "\n" not in problem["detail"]
    assert "Limits(" not in problem["detail"]  # a hint for those in Python


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({"content": b"x", "headers": {"content-type": "text/html"}}, 415, "text/html"),
        ({"content": b"x", "headers": {"content-type": ""}}, 415, "none"),
        ({"content": b"", "headers": PNG_TYPE}, 422, "no picture came"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 422, "JSON body"),
        ({"json": {"source": "/etc/passwd"}}, 422, "neither a data URI"),
        ({"json": {"source": [7]}}, 422, "neither a data URI"),
        ({"json": {"source": "data:image/png;base64,*"}}, 422, "not base64"),
        ({"json": {"source": "https://example.org/a.jpg"}}, 422, "fetches no URLs"),
        ({"files": [("photo", ("a.png", PNG))]}, 422, "'photo'"),
        (
            {"content": b"--x\r\nbroken", "headers": {"content-type": "multipart/form-data; boundary=x"}},
            422,
            "multipart",
        ),
        ({"content": b"abc", "headers": {"content-type": "multipart/form-data"}}, 422, "multipart"),
    ],
)
def test_a_body_that_is_not_as_it_should_be_is_refused(client, request_, status, words):
    answer = client.post("/v1/analyze", **request_)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_bounds_on_bytes_pixels_faces_and_pictures(analyzer):
    with client_of(analyzer, max_bytes=2000, max_files=2, request_bytes=100_000) as client:
        assert client.post("/v1/analyze", files=[upload()]).status_code == 413  # 64 x 64 of noise are 12 kB
        assert client.post("/v1/analyze", files=[upload()] * 3).status_code in (413, 422)
        answer = client.post("/v1/analyze", content=bytes(100_001), headers=PNG_TYPE)
        assert answer.status_code == 413
        assert "97.7 KiB" in answer.json()["detail"]
    with client_of(analyzer, max_pixels=4000) as client:
        answer = client.post("/v1/analyze", files=[upload()])
        assert answer.status_code == 413
        assert "64 x 64 pixels" in answer.json()["detail"]
    with client_of(analyzer, max_faces=1) as client:
        answer = client.post("/v1/analyze", files=[upload("two.png")])
        assert answer.status_code == 413
        assert answer.json()["detail"].startswith("two.png: 2 faces, at most 1")
        mixed = client.post("/v1/analyze", files=[upload(), upload("small.png", encoded(picture(30, 30)))])
        assert [one["status"] for one in mixed.json()["results"]] == ["too_large", "no_face"]


def test_the_table_is_the_one_of_the_command_line(client, tmp_path):
    told = client.post("/v1/analyze?csv=true", files=[upload("=1+1.png")]).json()
    rows = list(csv.DictReader(io.StringIO(told["csv"])))
    assert [row["target"] for row in rows] == ["face", "face", "group"]
    assert {row["source"] for row in rows} == {"./=1+1.png"}  # no formula for a spreadsheet
    (tmp_path / "a.png").write_bytes(encoded(picture(40, 40)))
    said = CliRunner().invoke(command, ["analyze", str(tmp_path / "a.png"), "--csv", "-", "-q"])
    assert said.stdout.splitlines()[0] == told["csv"].splitlines()[0]
    assert float(rows[0]["p_happiness"]) == pytest.approx(told["results"][0]["faces"][0]["distribution"]["happiness"])


def test_the_annotated_picture_is_as_wide_as_what_came(client):
    answer = client.post("/v1/annotate", content=encoded(picture(400, 300)), headers=PNG_TYPE)
    assert answer.headers["content-type"] == "image/jpeg"
    drawn = Image.open(io.BytesIO(answer.content))
    assert drawn.width == 400
    assert drawn.height > 300
    assert client.post("/v1/annotate", files=[upload(), upload()]).status_code == 413


@pytest.mark.parametrize("form", ["TIFF", "JPEG"])
def test_a_plain_picture_is_upright_at_its_size_with_nothing_drawn_on_it_and_no_model_asked(analyzer, form):
    flat = np.full((60, 90, 3), (200, 40, 60), np.uint8)
    turned, written = Image.Exif(), io.BytesIO()
    turned[274] = 6  # a quarter turn (TIFF 6.0, tag 274)
    Image.fromarray(flat).save(written, form, exif=turned)
    with client_of(analyzer) as client:
        looks = len(analyzer.detector.batches)
        answer = client.post("/v1/annotate?plain=true", content=written.getvalue(), headers=PNG_TYPE)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        shown = Image.open(io.BytesIO(answer.content))
        assert shown.size == (60, 90)
        assert np.abs(np.asarray(shown).astype(int) - (200, 40, 60)).max() <= 4  # what JPEG costs
        assert len(analyzer.detector.batches) == looks
        assert client.post("/v1/annotate?plain=true", files=[upload("a.png", b"hello")]).status_code == 415
        assert client.post("/v1/annotate?plain=true", files=[upload()] * 2).status_code == 413
        told = client.get("/openapi.json").json()["paths"]["/v1/annotate"]["post"]["parameters"]
        assert [one["name"] for one in told] == ["plain"]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_plain_picture_that_browsers_show_stays_as_it_is_to_the_byte(client, form):
    written = io.BytesIO()
    Image.fromarray(picture(90, 60)).save(written, form)
    answer = client.post("/v1/annotate?plain=true", content=written.getvalue(), headers=PNG_TYPE)
    assert answer.headers["content-type"] == f"image/{form.lower()}"
    assert answer.content == written.getvalue()
    cut = client.post("/v1/annotate?plain=true", content=written.getvalue()[:60], headers=PNG_TYPE)
    assert cut.status_code == 422


def test_a_plain_heic_is_shown_as_jpeg(client):
    heif, written = pytest.importorskip("pillow_heif"), io.BytesIO()
    heif.from_pillow(Image.fromarray(picture(90, 60))).save(written)
    answer = client.post("/v1/annotate?plain=true", content=written.getvalue(), headers=PNG_TYPE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(answer.content)).size == (90, 60)


def test_every_answer_has_the_headers_and_none_allows_another_site(client):
    for path in ("/", "/healthz", "/v1/models", "/openapi.json", "/web/page.js", "/nowhere", "/metrics"):
        headers = client.get(path).headers
        assert all(name in headers for name in HEADERS)
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "*" not in policy


def test_a_wrong_address_and_a_wrong_method_are_told_what_to_do(client):
    for answer, status, words in (
        (client.get("/v1/analyse"), 404, "there is nothing at this address; /openapi.json tells what there is"),
        (client.get("/v1/analyze"), 405, "GET came, this address takes POST; /openapi.json tells what to send"),
        (client.post("/healthz"), 405, "POST came, this address takes GET; /openapi.json tells what to send"),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (status, words)


def test_the_page_asks_no_other_place_for_anything():
    for file in WEB.iterdir():
        for address in re.findall(r"(?:https?:)?//[\w.-]+\.\w+", file.read_text(encoding="utf-8")):
            assert address == "http://www.w3.org", f"{file.name} names {address}"  # the name of SVG, never asked


def test_pages_of_other_sites_and_other_names_are_refused(client, analyzer):
    assert client.get("/v1/models", headers={"origin": "https://evil.example"}).status_code == 403
    assert client.get("/v1/models", headers={"origin": "null"}).status_code == 403
    assert client.get("/v1/models", headers={"origin": HOME}).status_code == 200
    assert client.get("/v1/models", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/v1/models", headers={"host": "127.0.0.1:8000"}).status_code == 200
    assert client.get("/v1/models", headers={"host": "[::1]:8000"}).status_code == 200
    with client_of(analyzer, origins=("https://app.example",)) as friendly:
        answer = friendly.get("/v1/models", headers={"origin": "https://app.example"})
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert friendly.get("/v1/models", headers={"origin": "https://evil.example"}).status_code == 403


def test_an_allowed_site_reads_refusals_and_when_to_come_again(analyzer):
    site = "https://app.example"
    with client_of(analyzer, origins=(site,), api_key=KEY) as client:
        refused = client.post("/v1/analyze", files=[upload()], headers={"origin": site})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == site
        assert "Retry-After" in refused.headers["access-control-expose-headers"]
        asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        assert client.options("/v1/analyze", headers={"origin": site, **asking}).status_code == 200
        stranger = client.options("/v1/analyze", headers={"origin": "https://evil.example", **asking})
        assert stranger.status_code == 400
        assert "access-control-allow-origin" not in stranger.headers


@pytest.mark.parametrize("host", ["app.example", "app.example:443", "127.0.0.1:8000"])
def test_the_page_works_through_a_proxy_whose_name_is_allowed(analyzer, client, host):
    """A proxy sends its own name as the host, or ours; a browser always sends the proxy's as the origin."""
    headers = {"host": host, "origin": "https://app.example"}
    with client_of(analyzer, proxies=("app.example",)) as behind:
        assert behind.get("/", headers={"host": host}).status_code == 200
        assert behind.post("/v1/analyze", files=[upload()], headers=headers).status_code == 200
        for origin in ("https://evil.example", "http://localhost:3000", "null", "http://["):
            refused = behind.post("/v1/analyze", files=[upload()], headers={**headers, "origin": origin})
            assert refused.status_code == 403, origin
        assert behind.get("/", headers={"host": "evil.example"}).status_code == 421
    refused = client.post("/v1/analyze", files=[upload()], headers=headers)
    assert (refused.status_code, "--allow-" in refused.json()["detail"]) in ((403, True), (421, True))


def test_a_head_that_is_too_large_is_refused_though_it_came_at_once(client):
    refused = client.get("/v1/models", headers={"x-a": "a" * 40_000})
    assert refused.status_code == 431
    assert "at most 32 KiB are read" in refused.json()["detail"]
    assert client.get("/v1/models?" + "a" * 33_000).status_code == 431
    assert client.get("/v1/models", headers={"x-a": "a" * 30_000}).status_code == 200


def test_with_a_key_all_but_the_page_and_its_health_need_it(analyzer):
    with client_of(analyzer, api_key=KEY) as client:
        for path in ("/", "/web/page.js", "/web/facts.json", "/healthz"):
            assert client.get(path).status_code == 200, path
        for path in ("/v1/models", "/metrics", "/openapi.json", "/nowhere"):
            for given in ({}, {"authorization": "Bearer wrong"}, {"authorization": KEY}, {"authorization": "Bearer ü"}):
                answer = client.get(path, headers={k: v.encode() for k, v in given.items()})
                assert answer.status_code == 401, path
                assert answer.headers["www-authenticate"] == "Bearer"
        assert client.post("/v1/analyze", files=[upload()]).status_code == 401
        right = {"authorization": f"Bearer {KEY}"}
        assert client.get("/v1/models", headers=right).status_code == 200
        assert client.post("/v1/analyze", files=[upload()], headers=right).status_code == 200


def test_models_tell_terms_and_limits(client, analyzer):
    told = client.get("/v1/models").json()
    assert told["tasks"] == ["expression", "group"]
    assert told["detector"] == "two"
    assert told["models"][0]["sha256"] == analyzer.model.sha256
    assert told["models"][0]["licences"]["commercial"] is True
    assert told["limits"]["max_bytes"] == 20 * 2**20
    assert told["version"] == __version__


def test_metrics_count_what_was_answered(analyzer):
    with client_of(analyzer) as client:
        client.post("/v1/analyze", files=[upload(), upload("b", b"no")])
        client.get("/no/such/secret-name")
        text = client.get("/metrics").text
    assert 'emolens_pictures_total{status="ok"} 1.0' in text
    assert 'emolens_pictures_total{status="unreadable"} 1.0' in text
    assert "emolens_faces_total 2.0" in text
    assert 'emolens_requests_total{path="/v1/analyze",status="200"} 1.0' in text
    assert "emolens_requests_inside 0.0" in text
    assert "emolens_batch_pictures_count 1.0" in text
    assert "secret" not in text


def test_the_log_names_no_file_and_no_path_of_a_caller(client, caplog):
    with caplog.at_level(logging.DEBUG):
        client.post("/v1/analyze?who=grandma", files=[upload("grandma.png")])
        client.post("/v1/analyze", files=[upload("grandma.png", b"no")])
        client.get("/grandma.jpg")
    ours = [record.getMessage() for record in caplog.records if record.name == "emolens.server"]
    assert len(ours) == 3
    assert not any("grandma" in line for line in ours)
    assert ours[0].startswith("POST /v1/analyze 200 ")


def test_a_fault_of_ours_is_a_500_that_tells_nothing(analyzer, caplog, monkeypatch):
    name = "".join(("grand", "ma.png"))  # the log shows the lines of the code, which is no secret

    def broken(*_):
        raise RuntimeError(name)

    with client_of(analyzer) as client, caplog.at_level(logging.INFO):
        monkeypatch.setattr(analyzer, "find", broken)
        answer = client.post("/v1/analyze", files=[upload()])
    assert answer.status_code == 500
    assert name not in answer.text + caplog.text
    assert "RuntimeError" in caplog.text


def test_nothing_of_an_upload_touches_the_disk(client, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    large = encoded(picture(900, 700))
    assert len(large) > 2**20  # more than Starlette keeps in memory
    assert client.post("/v1/analyze", files=[upload("large.png", large)]).status_code == 200


def test_openapi_has_examples_and_says_how_it_refuses(client):
    told = client.get("/openapi.json").json()
    post = told["paths"]["/v1/analyze"]["post"]
    assert set(post["requestBody"]["content"]) >= {"multipart/form-data", "application/json"}
    assert post["responses"]["200"]["content"]["application/json"]["example"]["results"]
    assert {"401", "403", "408", "413", "421", "431", "415", "422", "429", "503"} <= post["responses"].keys()
    assert "Retry-After" in post["responses"]["503"]["headers"]


def test_the_requests_in_openapi_are_answered(client):
    told = client.get("/openapi.json").json()["paths"]
    for path in ("/v1/analyze", "/v1/annotate"):
        content = told[path]["post"]["requestBody"]["content"]
        for name, pictures in (("one", 1), ("several", 2)):
            form = content["multipart/form-data"]["examples"][name]["value"]
            ways = [
                client.post(path, files=[(field, (None, one)) for field, given in form.items() for one in given]),
                client.post(path, json=content["application/json"]["examples"][name]["value"]),
            ]
            assert [way.status_code for way in ways] == [200 if path == "/v1/analyze" or pictures == 1 else 413] * 2
            if path == "/v1/analyze":
                assert all(len(way.json()["results"]) == pictures for way in ways)


def test_openapi_names_the_key_where_there_is_one(client, analyzer):
    assert "securitySchemes" not in client.get("/openapi.json").json()["components"]
    with client_of(analyzer, api_key=KEY) as locked:
        told = locked.get("/openapi.json", headers={"authorization": f"Bearer {KEY}"}).json()
    scheme = told["components"]["securitySchemes"]["key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    needing = {path for path, found in told["paths"].items() for one in found.values() if one.get("security")}
    assert needing == told["paths"].keys() - {"/healthz"}
    for path, found in told["paths"].items():
        for one in found.values():
            assert {"403", "421", "431"} <= one["responses"].keys(), path


def test_the_answers_in_openapi_have_the_form_of_real_ones(client, tmp_path):
    pytest.importorskip("av")
    from videos import canvas, write_video

    told = client.get("/openapi.json").json()["paths"]
    models = told["/v1/models"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    given = client.get("/v1/models").json()
    assert {**models, "models": None} == {**given, "models": None}
    assert models["models"][0].items() <= given["models"][0].items()  # OpenAPI leaves out what is null
    Models.model_validate(models)
    assert told["/v1/video"]["post"]["responses"]["200"]["content"]["application/json"]["example"]["summary"]
    example = examples.FILM
    FilmAnswer.model_validate(example)
    path = write_video(tmp_path / "clip.mp4", [canvas(96, 64)] * 6, rate=6)
    real = client.post("/v1/video", files=[("file", ("clip.mp4", path.read_bytes(), "video/mp4"))]).json()
    assert example.keys() == real.keys()
    assert example["timeline"].keys() <= real["timeline"].keys()
    shown, given = example["summary"], real["summary"]
    assert shown.keys() == given.keys()
    for name in ("people", "moments"):
        assert shown[name][0].keys() == given[name][0].keys()
    assert shown["group"].keys() == given["group"].keys()


def test_the_example_of_openapi_is_the_real_answer_for_the_astronaut(client):
    """Its shape and its face, told by the shipped model, so that the documents cannot drift away from it."""
    skimage = pytest.importorskip("skimage.data")
    Answer.model_validate(examples.ANSWER)
    face = examples.ANSWER["results"][0]["faces"][0]
    real = nested(analyze(skimage.astronaut()))["faces"][0]
    np.testing.assert_allclose(face["box"], real["box"], atol=1)
    np.testing.assert_allclose(face["landmarks"], real["landmarks"], atol=1)
    assert face["label"] == real["label"]
    assert real.keys() == face.keys()


def test_a_video_has_a_timeline(client, tmp_path):
    pytest.importorskip("av")
    from videos import canvas, write_video

    path = write_video(tmp_path / "clip.mp4", [canvas(96, 64, 8 * n) for n in range(20)], rate=10)
    answer = client.post("/v1/video?csv=true", files=[("file", ("clip.mp4", path.read_bytes(), "video/mp4"))])
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["summary"]["source"] == "clip.mp4"
    assert told["summary"]["frames"] == 10  # 2 s, 5 frames of each second
    assert [lane["title"] for lane in told["timeline"]["lanes"]][:2]
    assert told["message"] == ""
    assert len(list(csv.DictReader(io.StringIO(told["csv"])))) == 30  # two faces and the group, ten times
    json.dumps(told)


def test_what_is_no_short_video_is_refused(analyzer, tmp_path):
    pytest.importorskip("av")
    from videos import canvas, write_video

    path = write_video(tmp_path / "clip.mp4", [canvas()] * 30, rate=10)
    with client_of(analyzer, film_seconds=1.0) as client:
        answer = client.post("/v1/video", files=[("file", ("clip.mp4", path.read_bytes(), "video/mp4"))])
        assert answer.status_code == 413
        assert "clip.mp4: a video of 3 s" in answer.json()["detail"]
        assert answer.json()["detail"].endswith("send a shorter part, or run 'emolens video'")
        assert client.post("/v1/video", files=[upload()]).status_code == 415
        assert client.post("/v1/video", json={"source": URI}).status_code == 422
        for list_of_names in (
            b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
            b"ffconcat version 1.0\nfile /etc/passwd\n",
        ):
            answer = client.post("/v1/video", files=[("file", ("a.mp4", list_of_names, "video/mp4"))])
            assert answer.status_code == 415  # ffmpeg would open the files that it names


def test_a_service_that_is_asked_to_stop_answers_who_is_inside(tmp_path):
    began, go = Event(), Event()

    class Held(TwoFaces):
        def detect_batch(self, images):
            began.set()
            assert go.wait(60)
            return super().detect_batch(images)

    def post(port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/v1/analyze", PNG, PNG_TYPE)
        return connection.getresponse().status

    with ThreadPoolExecutor(1) as pool:
        with served(create_app(linear_analyzer(tmp_path, Held()))) as port:
            status = pool.submit(post, port)
            assert began.wait(60)
            Timer(0.3, go.set).start()  # after the service was asked to stop
        assert status.result(60) == 200


def test_the_timeline_frame_runs_its_own_script_and_no_other(client):
    answer = client.get("/web/timeline.html")
    policy = answer.headers["content-security-policy"]
    assert re.search(r"script-src 'sha256-[\w+/]{43}='", policy)
    assert "frame-ancestors 'self'" in policy
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "const data = parent.timeline;" in answer.text


# --- maps -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mapping(tmp_path_factory):
    """A client of a service whose model can tell what in a picture evokes its answer."""
    folder = tmp_path_factory.mktemp("maps")
    models = [linear_model(folder / "linear.onnx"), statistics_model(folder / "evoked.onnx")]
    with client_of(Analyzer(detector=TwoFaces(), models=models)) as client:
        yield client


def test_what_gives_maps_says_so_and_another_task_is_named(mapping):
    assert mapping.get("/v1/models").json()["tasks"] == ["expression", "group", "evoked", "stimuli"]
    answer = mapping.post("/v1/analyze?task=nonsense", files=[upload()])
    assert answer.status_code == 422
    assert answer.json()["detail"] == "query.task: 'nonsense' came; Input should be 'stimuli'"


def test_maps_come_where_they_are_asked_for(mapping):
    plain = mapping.post("/v1/analyze", files=[upload()]).json()["results"][0]
    assert plain["stimuli"] is None
    (told,) = mapping.post("/v1/analyze?task=stimuli&csv=true", files=[upload()]).json()["results"]
    close({**told, "stimuli": None}, plain)
    stimuli = told["stimuli"]
    assert set(stimuli["maps"]) == set(stimuli["emotions"]) == set(plain["evoked"]["distribution"])
    assert stimuli["on_faces"] is not None
    for uri in (stimuli["map"], *stimuli["maps"].values()):
        assert uri.startswith("data:image/png;base64,")
        shown = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
        assert (shown.mode, max(shown.size)) == ("L", 160)
        assert shown.size[0] / shown.size[1] == pytest.approx(plain["size"][0] / plain["size"][1], rel=0.02)
        assert len(uri) < 40_000
    Answer.model_validate({"results": [told], "notice": ""})


def test_maps_and_none_in_one_batch(mapping):
    with ThreadPoolExecutor(6) as pool:
        asked = ["/v1/analyze?task=stimuli", "/v1/analyze"] * 6
        answers = list(pool.map(lambda path: mapping.post(path, files=[upload()]), asked))
    assert all(answer.status_code == 200 for answer in answers)
    assert [answer.json()["results"][0]["stimuli"] is not None for answer in answers] == [True, False] * 6


def test_where_no_map_can_be_had_it_is_said(client):
    answer = client.post("/v1/analyze?task=stimuli", files=[upload()])
    assert answer.status_code == 422
    assert "takes a model of what pictures evoke" in answer.json()["detail"]
    assert client.post("/v1/analyze?task=fear", files=[upload()]).status_code == 422
    assert client.get("/web/facts.json").json()["stimuli"] is False
