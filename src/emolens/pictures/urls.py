"""A picture behind a URL: bytes, within a time and a size, and never from inside the network that we run in.

A URL often comes from somebody else, so it must not become a way to reach the machines behind our own door. Every
hop's host is resolved once, each of its addresses must be public, and the connection goes to the address that was
checked: a name that resolves differently a moment later gains nothing. Proxies of the environment are not used,
since a proxy would resolve the name again.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

from emolens.errors import FetchError, TooLarge, Unreadable
from emolens.pictures.limits import LIMITS, Limits, as_shown, as_size

REDIRECTS = (301, 302, 303, 307, 308)
CHUNK = 1 << 16
SECRET = re.compile(r"sig|token|secret|passw|credential|auth|key", re.IGNORECASE)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
INSIDE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890; a cloud keeps its metadata at 192.0.0.192
        "192.88.99.0/24",  # relays from 6to4, RFC 7526
        "168.63.129.16/32",  # the host beneath an Azure machine
        "64:ff9b:1::/48",  # an IPv4 address of the own network, RFC 8215
        "3fff::/20",  # documentation, RFC 9637
        "5f00::/16",  # segment routing inside one network, RFC 9602
        "fec0::/10",  # site-local, RFC 3879
    )
)
"""What `is_global` takes for public, at least in some Python, and leads inside or nowhere."""


def fetch(url: str, limits: Limits = LIMITS) -> bytes:
    """The body of an http or https URL.

    Raises `FetchError` (not allowed, unreachable, too slow, cut short, not a 200), `TooLarge`, `Unreadable` (0 bytes).
    """
    name = as_shown(shown_url(url))
    deadline = time.monotonic() + limits.url_seconds
    try:
        body = _follow(url, limits, deadline)
        if time.monotonic() >= deadline:  # a body without a length just ends when the clock hangs up
            raise TimeoutError
    except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
        if time.monotonic() >= deadline:
            wait = f"not there after {limits.url_seconds:g} s"
            raise FetchError(f"{name}: {wait}; try again, or in Python: Limits(url_seconds=...)") from error
        raise FetchError(f"{name}: {_reason(error)}; check the address and the network, or give a file") from error
    if not body:
        raise Unreadable(f"{name}: the server sent 0 bytes; give the URL of a picture")
    return body


def shown_url(url: str) -> str:
    """The URL without user, password and fragment, with the values of secret-looking query fields blanked."""
    try:
        parts = urlsplit(url)
        query = parts.query
        if SECRET.search(query):
            fields = parse_qsl(query, keep_blank_values=True)
            query = urlencode([(k, "***" if SECRET.search(k) else v) for k, v in fields], safe="*/:")
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def public_address(address: str) -> bool:
    """Whether an IP address is on the public internet; IPv4 inside IPv6 counts as that IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return public_address(str(inner))
    if any(ip in network for network in INSIDE):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _follow(url: str, limits: Limits, deadline: float) -> bytes:
    for _ in range(limits.max_redirects + 1):
        parts = _checked(url)
        with _get(parts, limits, deadline) as response:
            if response.status not in REDIRECTS:
                return _body(url, response, limits)
            location = response.getheader("Location")
        if not location:
            raise FetchError(f"{as_shown(shown_url(url))}: a redirect without a target; give the picture's own URL")
        url = urljoin(url, location)
    raise FetchError(
        f"{as_shown(shown_url(url))}: more than {limits.max_redirects} redirects; give the picture's own URL"
    )


def _checked(url: str) -> SplitResult:
    parts = urlsplit(url)
    name = as_shown(shown_url(url))
    if parts.scheme.lower() not in ("http", "https"):
        raise FetchError(f"{name}: only http and https are fetched; download the picture and give its path")
    if "@" in parts.netloc:
        raise FetchError(f"{name}: a URL with a user name or password is refused; download the picture, give its path")
    if not parts.hostname:
        raise FetchError(f"{name}: the URL names no host; give http://host/path or https://host/path")
    return parts


@contextlib.contextmanager
def _get(parts: SplitResult, limits: Limits, deadline: float) -> Iterator[http.client.HTTPResponse]:
    host, secure = parts.hostname or "", parts.scheme.lower() == "https"
    port = parts.port or (443 if secure else 80)
    sock = _connect(_addresses(host, port, limits, deadline), port, deadline)
    # A timeout of the socket is a limit per read; a server that drips a byte a second is only stopped by a clock.
    held = [sock]
    clock = threading.Timer(max(0.0, deadline - time.monotonic()), lambda: _hang_up(held[-1]))
    clock.daemon = True
    clock.start()
    connection = http.client.HTTPConnection(host, port)
    try:
        if secure:
            # The handshake waits until the clock holds the socket that it will read from.
            wrapped = _tls().wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
            held.append(wrapped)
            wrapped.do_handshake()
        connection.sock = held[-1]
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
            "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?[]") if parts.query else ""
        )
        headers = {"Host": parts.netloc, "User-Agent": "emolens", "Accept": "image/*", "Accept-Encoding": "identity"}
        connection.request("GET", path, headers=headers)
        yield connection.getresponse()
    finally:
        clock.cancel()
        connection.close()
        held[-1].close()


def _addresses(host: str, port: int, limits: Limits, deadline: float) -> list[str]:
    """Every address of the host, all of them allowed. The resolver has no timeout of its own, hence the thread."""
    found: list[str] = []
    failed: list[Exception] = []

    def resolve() -> None:
        try:
            found.extend(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError("the name was not resolved in time")
    if not limits.allow_private and not all(map(public_address, found)):
        # The address stays unsaid: who may not reach a name inside shall not learn what it stands for either.
        raise FetchError(
            f"{as_shown(host)} has an address that is not public; download the picture and give its path, "
            "or in Python, where you trust the URL: Limits(allow_private=True)"
        )
    return list(dict.fromkeys(found))


def _connect(addresses: list[str], port: int, deadline: float) -> socket.socket:
    for address in addresses:
        left = max(0.001, deadline - time.monotonic())
        try:
            return socket.create_connection((address, port), timeout=left)
        except OSError as error:
            last = error
    raise last


def _hang_up(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Past ssl's own shutdown, which would drop the TLS state under the thread that is reading.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _body(url: str, response: http.client.HTTPResponse, limits: Limits) -> bytes:
    name = as_shown(shown_url(url))
    if response.status != 200:
        raise FetchError(
            f"{name}: the server answered {response.status} {as_shown(response.reason)}; give the URL of a picture"
        )
    allowed = (
        f"at most {as_size(limits.max_bytes)} are read; give a smaller picture, or in Python: Limits(max_bytes=...)"
    )
    if (response.length or 0) > limits.max_bytes:
        raise TooLarge(f"{name}: the server announces {as_size(response.length or 0)}; {allowed}")
    body = bytearray()
    while chunk := response.read1(CHUNK):
        body += chunk
        if len(body) > limits.max_bytes:
            raise TooLarge(f"{name}: the answer passes the limit; {allowed}")
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return bytes(body)


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _reason(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "the answer ended early"
    return as_shown(str(error) or type(error).__name__)
