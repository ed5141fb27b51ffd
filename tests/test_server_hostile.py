"""Callers who mean no good: what they send is refused with a reason, leaves nothing behind, and nobody else waits."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import re
import socket
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import anyio
import pytest
from fastapi import Request
from hypothesis import HealthCheck, given, settings
from PIL import Image

from emolens.pictures import urls
from emolens.server import bodies, desk, running
from emolens.server.admission import Admission
from emolens.server.app import create_app
from emolens.server.metrics import Metrics
from emolens.server.problems import Problem
from emolens.server.service import Service
from serving import PNG, TwoFaces, client_of, encoded, linear_analyzer, picture, served

PNG_TYPE = {"content-type": "image/png"}


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory):
    return linear_analyzer(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def client(analyzer):
    with client_of(analyzer) as client:
        yield client


@pytest.fixture(scope="module")
def fetching(analyzer):
    with client_of(analyzer, allow_urls=True) as client:
        yield client


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *extra: bytes, rows: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


BOMBS = {
    "a picture of 10 gigapixels in 200 bytes": (png(100_000, 100_000), 413),
    "rows that unpack a thousandfold, within what is allowed": (png(3000, 3000, rows=bytes(9001 * 3000)), 200),
    "a text that unpacks to 64 MiB": (png(64, 64, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26)))), 422),
    "a GIF that says it is 65535 px wide": (b"GIF89a\xff\xff\xff\xff\0\0\0" + bytes(40), 422),
    "a BMP that says it is 2 gigapixels": (
        b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 50_000, 50_000, 1, 24) + bytes(40),
        413,
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(client, name):
    data, status = BOMBS[name]
    answer = client.post("/v1/analyze", content=data, headers=PNG_TYPE)
    assert answer.status_code == status, answer.text
    assert client.get("/healthz").status_code == 200


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    "data",
    [
        SVG,
        b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + SVG,
        b"<!doctype html><img src=x onerror=alert(1)>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n",
        b"push graphic-context\nviewbox 0 0 640 480\nfill 'url(https://example.org)'\n",
        b"PK\x03\x04" + bytes(60),
        b"\x7fELF" + bytes(60),
        b"P6 64 64 255\n" + bytes(64 * 64 * 3),
        b"\x80\x04\x95" + bytes(30),
    ],
)
def test_what_is_no_picture_of_ours_is_415_and_never_opened(client, data):
    for kind in ("image/svg+xml", "image/png"):
        answer = client.post("/v1/analyze", files=[("file", ("a.png", data, kind))])
        assert answer.status_code == 415
        assert "passwd" not in answer.text
        assert "script" not in answer.text


def test_a_polyglot_is_only_ever_the_picture_in_it(client):
    written = io.BytesIO()
    Image.fromarray(picture()).save(written, "GIF", comment=b"<script>alert(document.domain)</script>")
    for data in (written.getvalue(), encoded(picture(), "JPEG") + b"<html><script>alert(1)</script>PK\x03\x04"):
        for path in ("/v1/analyze", "/v1/annotate"):
            answer = client.post(path, files=[("file", ("a.html", data, "text/html"))])
            assert answer.status_code == 200
            assert answer.headers["content-type"] in ("application/json", "image/jpeg")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert b"<script" not in answer.content


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win.ini"),
        ("/absolute/a.png", "a.png"),
        ("a\x00b.png", None),
        ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
        ("....//", "picture"),
        ("n" * 3000 + ".png", None),
        ("CON", "CON"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
    ],
)
def test_a_file_name_is_a_word_in_the_answer_and_nothing_else(client, tmp_path, monkeypatch, name, shown):
    monkeypatch.chdir(tmp_path)
    answer = client.post("/v1/analyze", files=[("file", (name, PNG, "image/png"))])
    if answer.status_code == 200:
        source = answer.json()["results"][0]["source"]
        assert len(source) <= 120
        assert "/" not in source.removeprefix("<img src=x onerror=alert(1)>.png")
        assert source.isprintable()
        if shown is not None:
            assert source == shown
    else:
        assert answer.status_code == 422
    assert list(tmp_path.iterdir()) == []


INSIDE = [
    "http://127.0.0.1:1/a.jpg",
    "http://localhost:1/a.jpg",
    "http://[::1]:1/a.jpg",
    "http://0.0.0.0:1/",
    "http://10.0.0.1/",
    "http://172.16.5.4/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://2130706433:1/",
    "http://0x7f.1:1/",
    "http://0177.0.0.1:1/",
    "http://[::ffff:10.0.0.1]/",
    "http://[64:ff9b::a00:1]/",
    "http://[2002:a00:1::]/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://user:secret@127.0.0.1/",
    "http://224.0.0.1/",
]


@pytest.mark.parametrize("url", INSIDE)
def test_no_url_leads_inside(fetching, monkeypatch, url):
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("a connection was made"))
    for request in ({"json": {"source": url}}, {"data": {"url": url}, "files": {"url": (None, url)}}):
        answer = fetching.post("/v1/analyze", **{k: v for k, v in request.items() if k != "data"})
        assert answer.status_code == 422, answer.text
        assert "secret" not in answer.text


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/a", "gopher://x/", "/etc/passwd", "a.png", "-", "//x/y"]
)
def test_only_http_is_a_url(fetching, url):
    answer = fetching.post("/v1/analyze", json={"source": url})
    assert answer.status_code == 422
    assert "neither a data URI nor an http(s) URL" in answer.json()["detail"]


class Web(BaseHTTPRequestHandler):
    """A site of this machine that the tests take for a public one."""

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(PNG)))
        self.end_headers()
        self.wfile.write(PNG)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch):
    """http://public.test:PORT, which resolves to this machine; its address counts as public, others do not."""
    real, known = socket.getaddrinfo, urls.public_address
    names = {"public.test": ["127.0.0.1"], "inside.test": ["10.1.2.3"], "both.test": ["127.0.0.1", "10.1.2.3"]}

    def resolve(host, port, *args, **options):
        found = names.get(host)
        if found is None:
            return real(host, port, *args, **options)
        address = found.pop(0) if host == "rebinding.test" else None
        return [info for one in ([address] if address else found) for info in real(one, port, *args, **options)]

    names["rebinding.test"] = ["127.0.0.1", "10.1.2.3", "10.1.2.3"]
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(urls, "public_address", lambda address: address == "127.0.0.1" or known(address))
    server = HTTPServer(("127.0.0.1", 0), Web)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_public_url_is_fetched_and_its_name_shown_without_secrets(fetching, site):
    answer = fetching.post("/v1/analyze", json={"source": f"http://public.test:{site}/a.png?token=abc"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"][0]["status"] == "ok"
    assert "abc" not in answer.text
    shown = fetching.post("/v1/annotate?plain=true", json={"source": f"http://public.test:{site}/a.png"})
    assert Image.open(io.BytesIO(shown.content)).size == (64, 64)


@pytest.mark.parametrize(
    "target", ["http://inside.test/", "http://10.0.0.1/", "http://[::1]:1/", "file:///etc/passwd", "http://both.test/"]
)
def test_a_redirect_does_not_lead_inside(fetching, site, target):
    answer = fetching.post("/v1/analyze", json={"source": f"http://public.test:{site}/to/{target}"})
    assert answer.status_code == 422
    assert "root:" not in answer.text


def test_a_name_that_changes_its_mind_is_asked_once(fetching, site):
    """DNS rebinding: public when it is checked, inside a moment later; the connection goes where the check was."""
    answer = fetching.post("/v1/analyze", json={"source": f"http://rebinding.test:{site}/a.png"})
    assert answer.status_code == 200


def test_no_more_urls_are_fetched_at_once_when_those_who_asked_have_left(analyzer, monkeypatch):
    """Each thread lives until its clock ends it, so it keeps its place until then; what still waited never starts."""
    go, began = threading.Event(), []

    def fetch(url, limits):
        began.append(url)
        assert go.wait(60)
        return PNG

    async def leave(asked):
        tasks = [asyncio.ensure_future(room._picture(f"http://public.test/{n}", visit, True)) for n in asked]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    monkeypatch.setattr(desk, "fetch", fetch)
    room = desk.Desk(analyzer, Service(), Metrics())
    with room.admission.visit("a") as visit:
        for start in (0, 10, 20):
            asyncio.run(leave(range(start, start + 10)))
    go.set()
    room.close()
    assert began == [f"http://public.test/{n}" for n in range(desk.FETCHES)]


def talk(port: int, *parts: bytes, wait: float = 20) -> bytes:
    """All that the service says to these bytes until it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as sock:
        try:
            for part in parts:
                sock.sendall(part)
        except OSError:  # it hung up on us in the middle, which is its right
            pass
        said = b""
        try:
            while more := sock.recv(1 << 16):
                said += more
        except OSError:
            pass
        return said


@pytest.fixture(scope="module")
def port(analyzer):
    bounds = Service(upload_seconds=0.5, request_bytes=2**20, max_bytes=2**20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "HEADER_SECONDS", 0.5)
        with served(create_app(analyzer, bounds)) as port:
            yield port


def well(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/v1/analyze", PNG, PNG_TYPE)
    return connection.getresponse().status == 200


HEAD = b"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


def test_the_head_of_an_answer_is_had_without_its_body(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for path, status in (("/", 200), ("/healthz", 200), ("/nowhere", 404), ("/v1/analyze", 405), ("/healthz", 200)):
        connection.request("HEAD", path)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (status, b"")
        assert int(answer.headers["Content-Length"]) > 0


def test_a_slow_upload_is_ended(port):
    said = talk(port, HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 10)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"the body was not here after 0.5 s" in said
    assert well(port)


def test_a_head_that_never_ends_is_hung_up_on(port):
    assert talk(port, b"POST /v1/ana") == b""
    assert talk(port) == b""
    assert well(port)


def test_100_megabytes_of_headers_are_not_read(port):
    part = b"X-A: " + b"a" * 1000 + b"\r\n"
    said = talk(port, HEAD, *([part * 1000] * 100))
    assert said == b"" or said.startswith(b"HTTP/1.1 400 ")
    assert talk(port, b"GET /" + b"a" * 10_000_000).startswith((b"HTTP/1.1 400 ", b""))
    assert well(port)


def test_a_body_that_is_announced_too_large_is_not_waited_for(port):
    said = talk(port, HEAD + b"Content-Length: 99999999999\r\nConnection: close\r\n\r\n" + b"x" * 1000)
    assert said.startswith(b"HTTP/1.1 413 ")


def test_a_body_without_a_length_ends_where_the_limit_is(port):
    part = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    said = talk(port, HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n", *([part] * 40), b"0\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413 ")
    assert well(port)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\nConnection: close\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
        b"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET /../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /web/..%2f..%2fapp.py HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /web/%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(port, raw):
    said = talk(port, raw)
    assert said == b"" or said.startswith(b"HTTP/1.1 4"), said[:200]
    assert b"root:" not in said
    assert well(port)


def test_the_queue_and_one_clients_share_are_bounded(tmp_path):
    """A detector that holds everybody, and more requests than may be inside."""
    go = threading.Event()

    class Held(TwoFaces):
        def detect_batch(self, images):
            assert go.wait(60)
            return super().detect_batch(images)

    def post(port: int) -> tuple[int, str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/v1/analyze", PNG, PNG_TYPE)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Retry-After")

    for bounds, refusal in (({"queue": 3, "per_client": 9}, 503), ({"queue": 9, "per_client": 3}, 429)):
        go.clear()
        app = create_app(linear_analyzer(tmp_path, Held()), Service(**bounds))
        with served(app) as port, ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(post, port) for _ in range(8)]
            refused = []
            while len(refused) < 5:
                refused = [one.result() for one in waiting if one.done()]
            go.set()
            answers = sorted(one.result() for one in waiting)
        assert [status for status, _ in answers] == [200] * 3 + [refusal] * 5
        assert {wait for status, wait in answers if status == refusal} == {"1"}


def test_nobody_works_for_a_client_who_has_left(tmp_path):
    began, go, detector = threading.Event(), threading.Event(), TwoFaces()
    detect = detector.detect_batch

    def held(images):
        began.set()
        assert go.wait(60)
        return detect(images)

    detector.detect_batch = held
    app = create_app(linear_analyzer(tmp_path, detector), Service(batch=1))
    request = HEAD + f"Content-Length: {len(PNG)}\r\n\r\n".encode() + PNG

    def inside(port: int) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/metrics")
        return re.search(r"^emolens_requests_inside (\S+)", connection.getresponse().read().decode(), re.M)[1]

    with served(app) as port, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(well, port)
        assert began.wait(60)  # so that the other one cannot be looked at before it leaves
        with socket.create_connection(("127.0.0.1", port)) as leaving:
            leaving.sendall(request)
            while inside(port) != "2.0":
                pass
        while inside(port) != "1.0":
            pass
        go.set()
        assert waiting.result()
        assert well(port)
    assert detector.batches == [1, 1]


def test_an_answer_that_takes_too_long_is_503(tmp_path):
    go = threading.Event()

    class Slow(TwoFaces):
        def detect_batch(self, images):
            assert go.wait(60)
            return super().detect_batch(images)

    with client_of(linear_analyzer(tmp_path, Slow()), answer_seconds=0.2) as client:
        answer = client.post("/v1/analyze", content=PNG, headers=PNG_TYPE)
        go.set()
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert client.post("/v1/analyze", content=PNG, headers=PNG_TYPE).status_code in (200, 503)


def test_a_deep_or_odd_json_is_refused(client):
    for body in (
        b"[" * 100_000,
        b'{"source": ' + b"[" * 100_000,
        json.dumps({"source": {}}).encode(),
        b"\xff\xfe",
        b"null",
        b"NaN",
    ):
        answer = client.post("/v1/analyze", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]," * 50_000, "100000 of [ { , in the JSON body, at most 16384 are read"),
        (b'{"a": 0},' * 50_000, "100000 of [ { , in"),
        (b'"data:",' * 50_000, "50000 of [ { , in"),
        (b"\\u0041" * 1_100_000, "1100000 of \\ in the JSON body, at most 1048576 are read"),
    ],
)
def test_a_json_of_very_many_parts_is_refused_before_it_is_parsed(client, monkeypatch, body, words):
    monkeypatch.setattr(bodies, "json", None)
    answer = client.post("/v1/analyze", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(words)


PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=other", PART + b"--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--"),
        ("multipart/form-data; boundary=x", PART * 17 + b"--x--"),
        ("multipart/form-data", PART + b"--x--"),
        ("image/png", bytes(2000)),
    ],
)
@pytest.mark.parametrize("cut", [1, 50])
def test_nothing_is_waited_for_once_a_body_that_is_refused_is_all_here(kind, body, cut):
    """One more message is asked for only while one is announced: nothing would come but the end of the visit."""
    chunks = [body[:-cut], body[-cut:]]
    messages = [{"type": "http.request", "body": one, "more_body": one is chunks[0]} for one in chunks]

    async def receive():
        return messages.pop(0)

    async def read():
        request = Request({"type": "http", "headers": [(b"content-type", kind.encode())]}, receive)
        service = Service(request_bytes=1000) if kind == "image/png" else Service()
        with Admission(service).visit("a") as visit:
            await bodies.read_sources(request, service, visit)

    with pytest.raises(Problem):
        anyio.run(read)
    assert messages == []


def test_bodies_made_from_openapi_find_no_fault(analyzer):
    """Every operation, with bodies that fit the document and bodies that do not: statuses and forms are as declared."""
    schemathesis = pytest.importorskip("schemathesis")
    app = create_app(analyzer, Service())
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"Host": "localhost"})
    posts = [one for one in (found.ok() for found in schema.get_all_operations()) if one.method == "post"]
    assert len(posts) == 3
    for operation in posts:
        declared = app.openapi()["paths"][operation.path]["post"]["responses"].keys()
        for mode in schemathesis.GenerationMode:
            statuses = statuses_of(operation, mode)
            assert {str(status) for status in statuses} <= declared
            assert max(statuses) < 500


def statuses_of(operation, mode) -> set[int]:
    statuses = set()

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def answered(case):
        statuses.add(case.call(base_url="http://localhost").status_code)

    answered()
    return statuses
