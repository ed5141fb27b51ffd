"""`emolens serve` and `emolens notice` as people run them."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from emolens.cli import app
from emolens.notice import LANGUAGES, notice
from emolens.server.service import Service
from fakes import linear_model
from serving import PNG

KEY = "k" * 24
EMOLENS = (sys.executable, "-c", "from emolens.cli import main; main()")


def run(*arguments: str, **environment: str):
    return CliRunner().invoke(app, list(arguments), env=environment)


@contextmanager
def service(tmp_path, *options: str, **environment: str):
    """A running `emolens serve` and its port."""
    model = linear_model(tmp_path / "linear.onnx")
    started = subprocess.Popen(
        [*EMOLENS, "serve", "--port", "0", "--model", str(model), *options],
        stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ, **environment},
    )  # fmt: skip
    lines = []
    try:
        assert started.stderr is not None
        for line in started.stderr:
            lines.append(line)
            if found := re.search(r"http://\S+:(\d+) ", line):
                break
        else:
            pytest.fail(f"it did not start: {''.join(lines)}")
        yield started, int(found[1]), lines
    finally:
        started.kill()
        started.communicate()


def post(port: int, **headers: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/v1/analyze", PNG, {"Content-Type": "image/png", **headers})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_it_listens_on_this_machine_alone_and_ends_cleanly(tmp_path):
    with service(tmp_path) as (started, port, lines):
        assert lines == [f"emolens: http://127.0.0.1:{port}  (Ctrl-C ends it)\n"]
        status, told = post(port)
        assert status == 200
        assert told["results"][0]["status"] in ("ok", "no_face")
        started.send_signal(signal.SIGTERM)
        _, said = started.communicate(timeout=60)
        assert started.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["linear.json", "linear.onnx"]


def test_beyond_this_machine_it_warns_and_a_key_from_the_environment_guards_it(tmp_path):
    with service(tmp_path, "--host", "0.0.0.0") as (_, _, lines):
        said = "".join(lines)
        assert "warning: 0.0.0.0 can be reached from other machines" in said
        assert "warning: anyone who reaches it can use it; give a key" in said
    with service(tmp_path, "--host", "0.0.0.0", EMOLENS_API_KEY=KEY) as (_, port, lines):
        assert "anyone who reaches it" not in "".join(lines)
        assert post(port)[0] == 401
        assert post(port, Authorization=f"Bearer {KEY}")[0] == 200


def test_what_must_be_changed_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = run("serve", "--port", str(port))
    assert said.exit_code == 2
    assert f"127.0.0.1:{port} cannot be opened" in said.stderr
    (tmp_path / "key").write_text("short\n")
    for arguments, words in (
        (("--api-key-file", str(tmp_path / "key")), "has 5 characters, needs 16 or more"),
        (("--api-key-file", str(tmp_path / "none")), "No such file"),
        (("--host", "no.such.host.invalid"), "--host no.such.host.invalid"),
        (("--queue", "0"), "queue=0"),
        (("--max-mb", "lots"), "--max-mb is 'lots'"),
        (("--allow-host", "https://app.example"), "needs a name without scheme and port, such as app.example"),
        (("--detector", "nobody", "--port", "0"), "unknown detector"),
    ):
        said = run("serve", *arguments)
        assert said.exit_code == 2, arguments
        assert words in said.stderr
        assert said.stderr.count("\n") == 1


def started_with(monkeypatch, tmp_path, *options: str) -> Service:
    """The bounds that the command gives its service, which is not started."""
    made = []
    monkeypatch.setattr("emolens.server.app.create_app", lambda analyzer, service: made.append(service))
    monkeypatch.setattr("emolens.server.running.run", lambda app, sock: sock.close())
    said = run("serve", "--port", "0", "--model", str(linear_model(tmp_path / "linear.onnx")), *options)
    assert said.exit_code == 0, said.output
    return made[0]


@pytest.mark.parametrize(("given", "request_mib", "held_mib"), [("0.5", 64, 256), ("70", 140, 280), ("20", 64, 256)])
def test_what_a_request_may_hold_follows_what_a_picture_may(monkeypatch, tmp_path, given, request_mib, held_mib):
    service = started_with(monkeypatch, tmp_path, "--max-mb", given)
    assert service.max_bytes == float(given) * 2**20
    assert (service.request_bytes, service.held_bytes) == (request_mib * 2**20, held_mib * 2**20)
    assert service.request_bytes > service.max_bytes * 4 / 3  # as a data URI


def test_names_of_a_proxy_join_those_of_this_machine(monkeypatch, tmp_path):
    service = started_with(monkeypatch, tmp_path, "--allow-host", "App.example", "--allow-host", "b.example")
    assert service.proxies == ("app.example", "b.example")
    assert service.hosts == ("localhost", "127.0.0.1", "[::1]")
    anywhere = started_with(monkeypatch, tmp_path, "--host", "0.0.0.0", "--allow-host", "app.example")
    assert anywhere.hosts == ("localhost", "127.0.0.1", "[::1]", "0.0.0.0")
    assert started_with(monkeypatch, tmp_path, "--host", "0.0.0.0").hosts == ()


def test_the_notice_is_in_six_languages_and_five_are_drafts():
    first = {code: notice(code).splitlines()[0] for code in LANGUAGES}
    assert first.pop("en").startswith("NOTICE")
    drafts = {"de": "ENTWURF", "fr": "PROJET", "es": "BORRADOR", "zh": "草稿", "ja": "草案"}
    assert {code: line[: len(drafts[code])] for code, line in first.items()} == drafts


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_notice_names_both_articles_and_leaves_the_deployer_its_blanks(language):
    text = notice(language)
    assert "2024/1689" in text
    assert re.search(r"\b50\b", text) or "50" in text
    assert re.search(r"\bf\b|\(f\)", text)
    assert text.count("[") == text.count("]") >= 9
    assert "GDPR" in text or {"de": "DSGVO", "fr": "RGPD", "es": "RGPD"}[language] in text
    assert max(map(len, text.splitlines())) <= 122


def test_the_command_prints_the_notice():
    assert run("notice").stdout == notice("en")
    assert run("notice", "-l", "JA").stdout == notice("ja")
    refused = run("notice", "--language", "fi")
    assert refused.exit_code == 2
    assert "unknown language 'fi'" in refused.stderr


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_is_none_is_not_wrapped_around(port):
    refused = run("serve", "--port", port)
    assert refused.exit_code == 2
    assert f"--port is {port}" in refused.output
