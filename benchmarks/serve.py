"""The service under load, with and without micro-batching; and under bodies that are no pictures.

    python benchmarks/serve.py load --clients 200 --seconds 60 --rounds 3
    python benchmarks/serve.py bodies --count 10000

`load` starts `emolens serve` twice, as it comes and without micro-batching, which is the same service with
`--batch-size 1`: two threads decode ahead, the event loop reads and writes beside, and one picture after the other goes
through the models, all cores on it and the nets opened for as many threads. That is the fastest way for a picture that
comes alone, and what the service itself does then; what it cannot do is fill the cores while a picture is in a part
that one thread does. Both have the same queue, the same clients and the same photos. They take turns, `--rounds` times,
since a ratio of one round holds whatever else the machine did meanwhile.

Clients post photos over connections of their own, each the next one as soon as it has its answer; a refusal (429, 503)
must carry Retry-After, and the client waits for so long. It tells answers a second, the percentiles of the time from
the first byte sent to the last one read (of answered requests only), what was refused, what went wrong, the memory of
the service after a tenth of the time and at the end, its CPU time an answer, with that of the refusals in between, and
how many cores it and the clients kept busy: two of two, and batches can win no more without less work an answer.
The clients run on the same cores as the service. Under such load the time of an answer is that of the queue: as many as
are inside (`--queue`), divided by the answers a second.

`bodies` posts broken pictures (half of the count: real ones with bytes changed, cut, doubled, spliced and headers that
lie) and bodies made by schemathesis from the OpenAPI document (the other half), and counts statuses; a 5xx other than
503 or a service that has ended is an error, exit code 1. They go through a socket to the same server in this process,
with a detector that finds no face in whatever is a picture after all: what is tried is the way in, not the nets.
Pictures of `load` come from `--data`/photos, see README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import io
import logging
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import numpy as np
from PIL import Image

from peers import ROOT, machine, use_cores, versions

BOUNDARY = "picture-boundary"
HEAD = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass
class Service:
    """A running `emolens serve`."""

    port: int
    pid: int

    def megabytes(self) -> float:
        """What it holds of memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu_seconds(self) -> float:
        """What it has used of the cores: the figure to trust where others use them too."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@contextmanager
def service(*options: str) -> Iterator[Service]:
    code = "from emolens.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        port = next((int(m[1]) for line in started.stderr if (m := re.search(r"http://\S+:(\d+) ", line))), 0)
        if not port:
            raise SystemExit("the service did not start")
        drain = ThreadPoolExecutor(1)
        drain.submit(lambda: [None for _ in started.stderr or ()])  # its log; a full pipe would stop it
        try:
            yield Service(port, started.pid)
        finally:
            started.send_signal(signal.SIGTERM)
            started.wait(60)


# ---- load


@dataclass
class Tally:
    """What the clients saw: seconds of answered requests, statuses, faults by what they are."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


def as_form(data: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def as_request(data: bytes) -> bytes:
    body = as_form(data)
    head = (
        f"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: {HEAD}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def client(port: int, requests: list[bytes], until: float, seed: int, tally: Tally) -> None:
    rng = np.random.default_rng(seed)
    while time.monotonic() < until:
        pause = 0.0
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while time.monotonic() < until:
                began = time.monotonic()
                writer.write(requests[rng.integers(len(requests))])
                try:
                    await writer.drain()
                    status, wait = await answer(reader)
                except (ConnectionError, asyncio.IncompleteReadError):
                    tally.faults["connection lost"] += 1
                    break
                tally.statuses[status] += 1
                if status == 200:
                    tally.seconds.append(time.monotonic() - began)
                elif status in (429, 503) and wait:
                    pause = wait  # without the connection, which the service would close meanwhile
                    break
                else:
                    tally.faults[f"{status} without Retry-After"] += 1
            writer.close()
        await asyncio.sleep(max(0.0, min(pause, until - time.monotonic())))


async def answer(reader: asyncio.StreamReader) -> tuple[int, float]:
    """The status of an answer and its Retry-After, 0 without; its body is read and dropped."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = re.search(r"content-length: (\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    wait = re.search(r"retry-after: (\d+)", head)
    return int(head.split(" ", 2)[1]), float(wait[1]) if wait else 0.0


async def storm(port: int, requests: list[bytes], clients: int, seconds: float, tally: Tally) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(*(client(port, requests, until, seed, tally) for seed in range(clients)))


COLUMNS = (
    "service", "answers/s", "p50 s", "p99 s", "refused 429 / 503", "faults", "MiB after a tenth, at the end",
    "pictures a batch", "CPU ms an answer", "cores busy",
)  # fmt: skip


def load(asked: argparse.Namespace) -> int:
    requests = [as_request(data) for data in photos(asked.data, asked.max_side)]
    print(f"{asked.clients} clients, {asked.seconds:g} s, {len(requests)} photos of up to {asked.max_side} px\n")
    print(as_row(COLUMNS), as_row("---" for _ in COLUMNS), sep="\n", flush=True)
    ways = {f"micro-batching, up to {asked.batch}": asked.batch, "without": 1}
    told = [[under_load(*way, requests, asked) for way in ways.items()] for _ in range(asked.rounds)]
    batched, alone = (np.median([rate for rate, _ in rounds]) for rounds in zip(*told, strict=True))
    print(f"\nmicro-batching answers {batched / max(alone, 1e-9):.2f} times as many\n\n{this_machine(asked)}")
    return 1 if any(faults for rounds in told for _, faults in rounds) else 0


def under_load(name: str, batch: int, requests: list[bytes], asked: argparse.Namespace) -> tuple[float, int]:
    """Prints a row; answers a second and the number of faults."""
    queue = str(asked.queue)
    with service("--batch-size", str(batch), "--queue", queue, "--per-client", queue) as running:
        asyncio.run(storm(running.port, requests, 8, min(3, asked.seconds), Tally()))  # warm
        tally, used, clients, began = Tally(), running.cpu_seconds(), time.process_time(), time.monotonic()
        asyncio.run(storm(running.port, requests, asked.clients, asked.seconds / 10, tally))
        first = running.megabytes()
        asyncio.run(storm(running.port, requests, asked.clients, asked.seconds * 9 / 10, tally))
        lasted = time.monotonic() - began
        rate, used = len(tally.seconds) / lasted, running.cpu_seconds() - used
        busy, used = (used + time.process_time() - clients) / lasted, 1000 * used / max(1, len(tally.seconds))
        last, mean = running.megabytes(), mean_batch(running.get("/metrics")[1])
    half, most = np.percentile(tally.seconds or [np.nan], [50, 99])
    wrong = ", ".join(f"{n} {what}" for what, n in tally.faults.items()) or "none"
    refused = f"{tally.statuses[429]} / {tally.statuses[503]}"
    figures = (f"{rate:.2f}", f"{half:.2f}", f"{most:.2f}", refused, wrong, f"{first:.0f}, {last:.0f}")
    print(as_row((name, *figures, f"{mean:.2f}", f"{used:.1f}", f"{busy:.2f}")), flush=True)
    return rate, sum(tally.faults.values())


def as_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def this_machine(asked: argparse.Namespace) -> str:
    return machine(asked.cores, versions("emolens", "onnxruntime", "numpy", "pillow", "uvicorn", "fastapi"))


def mean_batch(metrics: str) -> float:
    found = dict(re.findall(r"emolens_batch_pictures_(sum|count) ([\d.e+]+)", metrics))
    return float(found["sum"]) / max(1.0, float(found["count"]))


def photos(data: Path, max_side: int) -> list[bytes]:
    """Photos as JPEG, averaged down to `max_side` pixels; without a folder of them scikit-image's astronaut."""
    paths = sorted((data / "photos").glob("*.jpg"))
    if not paths:
        import skimage

        paths = [Path(skimage.__file__).parent / "data" / "astronaut.png"]
    found = []
    for path in paths:
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((max_side, max_side))
        found.append(encoded(picture, "JPEG"))
    return found


def encoded(picture: Image.Image, form: str) -> bytes:
    written = io.BytesIO()
    picture.save(written, form)
    return written.getvalue()


# ---- bodies


def broken(rng: np.random.Generator, whole: list[bytes]) -> bytes:
    """A picture after one of the ways in which pictures are broken, by accident or on purpose."""
    data = bytearray(whole[rng.integers(len(whole))])
    at = int(rng.integers(len(data)))
    way = rng.integers(6)
    if way == 0:  # bytes changed anywhere
        for place in rng.integers(len(data), size=int(rng.integers(1, 40))):
            data[place] = rng.integers(256)
    elif way == 1:  # the head changed, where sizes and counts stand
        for place in rng.integers(min(64, len(data)), size=int(rng.integers(1, 8))):
            data[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF])
    elif way == 2:  # cut off
        del data[at:]
    elif way == 3:  # a part doubled
        data[at:at] = data[: int(rng.integers(1, 2000))]
    elif way == 4:  # one format that goes on as another
        other = whole[rng.integers(len(whole))]
        data[at:] = other[int(rng.integers(len(other))) :]
    else:  # noise after a right beginning
        data[int(rng.integers(4, 32)) :] = rng.bytes(int(rng.integers(0, 4000)))
    return bytes(data)


def bodies(asked: argparse.Namespace) -> int:
    rng = np.random.default_rng(asked.seed)
    picture = Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8))
    whole = [encoded(picture, form) for form in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")]
    sent = [broken(rng, whole) for _ in range(asked.count // 2)]
    began = time.monotonic()
    with in_process() as running:
        start = running.megabytes()
        with ThreadPoolExecutor(2) as pool:
            statuses = Counter(pool.map(lambda data: post(running.port, data), sent))
        report("broken pictures", statuses, began)
        began = time.monotonic()
        made = from_openapi(running.port, asked.count - len(sent))
        report("bodies made from OpenAPI", made, began)
        health = running.get("/healthz")[0]
        print(f"health {health}, {start:.0f} MiB before, {running.megabytes():.0f} after")
    faults = sum(n for status, n in (statuses + made).items() if status == 0 or (status >= 500 and status != 503))
    print(f"{(statuses + made).total()} bodies, {faults} faults\n\n{this_machine(asked)}")
    return 0 if health == 200 and not faults else 1


@contextmanager
def in_process() -> Iterator[Service]:
    """The service behind a socket, served by a thread of this process, without a detector that takes time."""
    from emolens.analyzer import Analyzer
    from emolens.faces import FixedDetector
    from emolens.server.app import create_app
    from emolens.server.running import open_socket, server_of
    from emolens.server.service import Service as Bounds

    warnings.simplefilter("ignore")  # Pillow's, one for each broken tag
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # as `emolens serve` has it
    analyzer, sock = Analyzer("expression,group", detector=FixedDetector()), open_socket("127.0.0.1", 0)
    server = server_of(create_app(analyzer, Bounds(per_client=64)))
    thread = Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield Service(sock.getsockname()[1], os.getpid())
    finally:
        server.should_exit = True
        thread.join(60)
        sock.close()


def post(port: int, data: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", "/v1/analyze", as_form(data), {"Content-Type": HEAD})
        return connection.getresponse().status
    except OSError:
        return 0


def from_openapi(port: int, count: int) -> Counter[int]:
    import requests
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings

    address = f"http://127.0.0.1:{port}"
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    posts = [one for one in (found.ok() for found in schema.get_all_operations()) if one.method == "post"]
    statuses: Counter[int] = Counter()
    line = requests.Session()
    ways = [(operation, mode) for operation in posts for mode in schemathesis.GenerationMode]
    for n, (operation, mode) in enumerate(ways):
        share = count // len(ways) + (n < count % len(ways))

        @settings(
            max_examples=max(1, share),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def one_case(case: schemathesis.Case) -> None:
            statuses[case.call(base_url=address, session=line).status_code] += 1

        one_case()
        print(f"{operation.path}, {mode.value}: {statuses.total()} of {count}", file=sys.stderr, flush=True)
    return statuses


def report(what: str, statuses: Counter[int], began: float) -> None:
    seconds = time.monotonic() - began
    told = ", ".join(f"{n} x {status or 'no answer'}" for status, n in sorted(statuses.items()))
    print(f"{what}: {told}; {seconds:.0f} s", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    storms = commands.add_parser("load")
    storms.add_argument("--clients", type=int, default=200)
    storms.add_argument("--seconds", type=float, default=60)
    storms.add_argument("--rounds", type=int, default=1)
    storms.add_argument("--batch", type=int, default=8)
    storms.add_argument("--queue", type=int, default=64)
    storms.add_argument("--max-side", type=int, default=640)
    storms.add_argument("--data", type=Path, default=Path(os.environ.get("EMOLENS_DATA", ROOT.parent / "shared/data")))
    storms.set_defaults(run=load)
    fuzz = commands.add_parser("bodies")
    fuzz.add_argument("--count", type=int, default=10_000)
    fuzz.add_argument("--seed", type=int, default=0)
    fuzz.set_defaults(run=bodies)
    for command in (storms, fuzz):
        command.add_argument("--cores", type=int, default=2, help="cores for service and clients together")
    asked = parser.parse_args()
    asked.cores = use_cores(asked.cores)
    return int(asked.run(asked))


if __name__ == "__main__":
    sys.exit(main())
