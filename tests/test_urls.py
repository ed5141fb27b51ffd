"""Fetching from a server on this machine, and every way into this machine that must stay closed."""

from __future__ import annotations

import contextlib
import io
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image

from emolens.errors import FetchError, TooLarge, Unreadable
from emolens.pictures import urls
from emolens.pictures.images import open_image
from emolens.pictures.limits import Limits
from emolens.pictures.urls import fetch, public_address, shown_url

HERE = Limits(allow_private=True, url_seconds=5)


def picture() -> np.ndarray:
    pixels = np.empty((20, 30, 3), np.uint8)
    pixels[:, :15], pixels[:, 15:] = (250, 10, 20), (20, 10, 250)
    return pixels


def png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture()).save(out, "PNG")
    return out.getvalue()


def answer(body: bytes, length: int | None = None, status: str = "200 OK", kind: str = "image/png") -> bytes:
    announced = f"Content-Length: {len(body) if length is None else length}\r\n"
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{announced}Connection: close\r\n\r\n".encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return f"HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


@contextlib.contextmanager
def server(say: Callable[[socket.socket, str], None], context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that hands each connection and the path it asks for to `say`; gives its host and port."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.05)
    done = threading.Event()

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            request = connection.recv(65536).decode("latin-1")
            say(connection, request.split(" ")[1])
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        while not done.is_set():
            with contextlib.suppress(TimeoutError, socket.timeout):
                threading.Thread(target=one, args=[listening.accept()[0]], daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        done.set()
        thread.join()
        listening.close()


def saying(data: bytes) -> contextlib.AbstractContextManager[str]:
    return server(lambda connection, path: connection.sendall(data))


def test_a_picture_comes_in_rgb():
    with saying(answer(png(), kind="text/html")) as host:  # the content type is not trusted, the bytes are looked at
        np.testing.assert_array_equal(open_image(f"http://{host}/a.png", limits=HERE), picture())
        np.testing.assert_array_equal(open_image(f"HTTP://{host}", limits=HERE), picture())


def test_chunked_and_without_a_length():
    body = png()
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        f"{len(body[i : i + 40]):x}\r\n".encode() + body[i : i + 40] + b"\r\n" for i in range(0, len(body), 40)
    )
    with saying(chunked + b"0\r\n\r\n") as host:
        assert fetch(f"http://{host}/", HERE) == body
    with saying(b"HTTP/1.0 200 OK\r\n\r\n" + body) as host:
        assert fetch(f"http://{host}/", HERE) == body
    with saying(chunked) as host, pytest.raises(FetchError, match="ended early"):
        fetch(f"http://{host}/", HERE)


def test_this_machine_is_closed_by_default():
    asked = []
    with server(lambda connection, path: asked.append(path)) as host:
        port = host.rpartition(":")[2]
        decimal, octal = "2130706433", "0177.0.0.1"
        for name in ("127.0.0.1", "localhost", decimal, octal, "0x7f000001", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0"):
            with pytest.raises(FetchError, match=r"not public|Errno|not known"):
                fetch(f"http://{name}:{port}/a.png")
    assert asked == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "fec0::1", "feff::1", "3fff::1", "5f00::1",
        "192.0.0.192", "192.88.99.1", "168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::a83f:8110", "2002:a83f:8110::",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not public_address(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.216.34", "168.63.129.17", "2606:4700:4700::1111", "3ffe::1", "::ffff:1.1.1.1"],
)
def test_addresses_that_are_public(address):
    assert public_address(address)


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest", "http://[::1]/", "http://10.0.0.1/", "//192.168.0.1/a"]
)
def test_a_redirect_is_checked_like_the_first_address(target, monkeypatch):
    """Only the loopback address of the test server counts as public here; where the redirect points does not."""
    monkeypatch.setattr(urls, "public_address", lambda a: a == "127.0.0.1" or public_address(a))
    with saying(redirect(target)) as host, pytest.raises(FetchError, match="not public"):
        fetch(f"http://{host}/", Limits(url_seconds=5))


def test_a_redirect_leaves_neither_http_nor_an_endless_chain():
    for target, text in [("file:///etc/passwd", "only http"), ("ftp://a/b", "only http"), ("/again", "more than 5")]:
        with saying(redirect(target)) as host, pytest.raises(FetchError, match=text):
            fetch(f"http://{host}/", HERE)
    with saying(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n") as host, pytest.raises(FetchError, match="target"):
        fetch(f"http://{host}/", HERE)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_followed(status):
    def say(connection: socket.socket, path: str) -> None:
        connection.sendall(answer(png()) if path == "/b%20c.png?size=1" else redirect("/b c.png?size=1", status))

    with server(say) as host:
        assert fetch(f"http://{host}/a", HERE) == png()
        with pytest.raises(FetchError, match="more than 0"):
            fetch(f"http://{host}/a", Limits(allow_private=True, max_redirects=0))


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch):
    """A name that is public when it is checked and private a moment later: the resolver is asked once."""
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    asked = []

    def resolve(host: str, port: int, **_: object) -> list[tuple]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in answers[len(asked) - 1]]

    with saying(answer(png())) as host:
        real = socket.getaddrinfo
        numeric = lambda h, p, *a, **k: resolve(h, p) if h == "rebinding.test" else real(h, p, *a, **k)  # noqa: E731
        monkeypatch.setattr(socket, "getaddrinfo", numeric)
        monkeypatch.setattr(urls, "public_address", lambda a: a == "127.0.0.1")
        assert fetch(f"http://rebinding.test:{host.rpartition(':')[2]}/", Limits(url_seconds=5)) == png()
    assert asked == ["rebinding.test"]


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 80)) for a in ("1.1.1.1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: both)
    with pytest.raises(FetchError, match=r"mixed\.test has an address that is not public") as refused:
        fetch("http://mixed.test/")
    assert "10.0.0.1" not in str(refused.value)  # whoever sent the URL need not learn what the name stands for


def drip(connection: socket.socket, head: bytes) -> None:
    connection.sendall(head)
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
    ],
)
def test_a_server_that_drips_is_left_in_time(head):
    """Each byte comes well within any timeout of the socket; only the total counts."""
    with server(lambda connection, path: drip(connection, head)) as host:
        start = time.monotonic()
        with pytest.raises(FetchError, match=r"not there after 0\.4 s"):
            fetch(f"http://{host}/", Limits(allow_private=True, url_seconds=0.4))
        assert time.monotonic() - start < 3


def test_a_resolver_that_hangs_is_left_in_time(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: time.sleep(2) or [])
    start = time.monotonic()
    with pytest.raises(FetchError, match=r"not there after 0\.2 s"):
        fetch("http://slow.test/", Limits(url_seconds=0.2))
    assert time.monotonic() - start < 1.5


def test_sizes():
    small = Limits(allow_private=True, url_seconds=5, max_bytes=1000)
    with saying(answer(b"", length=10**12)) as host, pytest.raises(TooLarge, match="announces"):
        fetch(f"http://{host}/", small)
    with saying(b"HTTP/1.0 200 OK\r\n\r\n" + bytes(300_000)) as host, pytest.raises(TooLarge, match="passes the limit"):
        fetch(f"http://{host}/", small)
    with saying(answer(b"")) as host, pytest.raises(Unreadable, match="0 bytes"):
        fetch(f"http://{host}/", small)
    with saying(answer(bytes(1000))) as host:
        assert len(fetch(f"http://{host}/", small)) == 1000


def test_a_length_that_lies():
    with saying(answer(png()[:50], length=5000)) as host, pytest.raises(FetchError, match="ended early"):
        fetch(f"http://{host}/", HERE)
    with saying(answer(png(), length=50)) as host, pytest.raises(Unreadable):
        open_image(f"http://{host}/", limits=HERE)


def test_answers_that_are_not_pictures():
    with saying(answer(b"gone", status="404 Not Found")) as host, pytest.raises(FetchError, match="404 Not Found"):
        fetch(f"http://{host}/", HERE)
    with saying(b"what is this\r\n\r\n") as host, pytest.raises(FetchError):
        fetch(f"http://{host}/", HERE)
    with saying(answer(b"<html>", kind="image/png")) as host, pytest.raises(Unreadable, match="allowed: JPEG"):
        open_image(f"http://{host}/", limits=HERE)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ftp://example.org/a.png", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("http://me:secret@example.org/a.png", "user name or password"),
        ("http:///a.png", "names no host"),
        ("http://[::1/a.png", "."),
        ("http://a:99999/", "."),
        ("http://" + "a" * 300 + ".test/", "."),
        ("http://..test/", "."),
    ],
)
def test_urls_that_are_refused(url, text):
    with pytest.raises(FetchError, match=text) as caught:
        open_image(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_port_where_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(FetchError, match="check the address"):
        fetch(f"http://127.0.0.1:{port}/", HERE)


def test_shown_urls_hold_no_secret():
    shown = shown_url("https://user:pw@host.test/a.jpg?size=2&X-Amz-Signature=abc&token=t#top")
    assert shown == "https://host.test/a.jpg?size=2&X-Amz-Signature=***&token=***"
    assert shown_url("https://host.test/a.jpg?id=7&x=%20") == "https://host.test/a.jpg?id=7&x=%20"


@pytest.fixture
def certificate(tmp_path) -> ssl.SSLContext:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificate of the test server")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.cafile = cert
    return context


def test_certificates_are_checked(certificate, monkeypatch):
    trusting = ssl.create_default_context(cafile=str(certificate.cafile))
    with server(lambda c, path: c.sendall(answer(png())), certificate) as host:
        port = host.rpartition(":")[2]
        with pytest.raises(FetchError, match="certificate verify failed"):
            fetch(f"https://localhost:{port}/", HERE)
        monkeypatch.setattr(urls, "_tls", lambda: trusting)
        assert fetch(f"https://localhost:{port}/", HERE) == png()
        with pytest.raises(FetchError, match="certificate verify failed"):  # a certificate for another name
            fetch(f"https://127.0.0.1:{port}/", HERE)


def test_a_handshake_that_never_comes_is_left_in_time():
    with server(lambda connection, path: drip(connection, b"")) as host:
        start = time.monotonic()
        with pytest.raises(FetchError):
            fetch(f"https://{host}/", Limits(allow_private=True, url_seconds=0.4))
        assert time.monotonic() - start < 3
