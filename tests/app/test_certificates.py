"""TLS at the door: the page and signaling through it, and what is said when the files are wrong."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives import serialization

from meetref.app.certificates import load_tls, make_self_signed, make_self_signed_tls
from meetref.app.command import CommandFailed
from meetref.app.http import Site, make_http_answer
from meetref.app.signaling import Channel, open_client_channel
from meetref.wire import signaling
from tests.app.doorway import HOSTS, open_doorway

NOW = 1_900_000_000.0


@pytest.fixture
def server_tls() -> ssl.SSLContext:
    return make_self_signed_tls(["localhost", "127.0.0.1"], now=NOW)


@pytest.fixture
def client_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_the_page_through_tls(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    answer_http = make_http_answer(Site(hosts=HOSTS))
    async with open_doorway(answer_http=answer_http, tls=server_tls) as doorway:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client_tls.maximum_version = version
            inner = await doorway.network.open_stream(doorway.address)
            stream = trio.SSLStream(inner, client_tls, server_hostname="localhost", https_compatible=True)
            request = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            answer = await doorway.ask(request, stream=stream)
            assert answer.startswith(b"HTTP/1.1 200")
            assert stream.selected_alpn_protocol() is None
        assert doorway.door.counters["failed"] == 0


async def test_signaling_through_tls(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async def attend(channel: Channel) -> None:
        message = await channel.receive()
        assert isinstance(message, signaling.SayChat)
        channel.send(signaling.Error(code="closing", message=message.text))

    async with (
        open_doorway(attend=attend, tls=server_tls) as doorway,
        open_client_channel(doorway.network, doorway.address, "localhost:8443", tls=client_tls) as client,
    ):
        client.send(signaling.SayChat(client_id="a", text="x" * 4000))
        answer = await client.receive()
        assert isinstance(answer, signaling.Error)
        assert answer.message == "x" * 4000


async def test_plain_http_is_told_the_way(server_tls: ssl.SSLContext) -> None:
    async with open_doorway(tls=server_tls) as doorway:
        answer = await doorway.ask(b"GET /algebra?x=1 HTTP/1.1\r\nHost: meet.example:8080\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 308")
        assert b"\r\nLocation: https://meet.example:8080/algebra?x=1\r\n" in answer
        assert (await doorway.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")).startswith(
            b"HTTP/1.1 400"
        )
        assert doorway.door.counters["plain"] == 2


async def test_a_broken_hello_is_counted(server_tls: ssl.SSLContext) -> None:
    async with open_doorway(tls=server_tls) as doorway:
        await doorway.ask(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
        assert doorway.door.counters["broken"] == 1


async def test_a_certificate_is_for_its_names(tmp_path: Path) -> None:
    certificate, key = make_self_signed(["localhost", "127.0.0.1"], now=time.time())
    (tmp_path / "c.pem").write_bytes(certificate)
    (tmp_path / "k.pem").write_bytes(key)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "c.pem"))
    trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT
    async with open_doorway(tls=load_tls(tmp_path / "c.pem", tmp_path / "k.pem")) as doorway:
        for name, good in (("localhost", True), ("127.0.0.1", True), ("evil.example", False)):
            inner = await doorway.network.open_stream(doorway.address)
            stream = trio.SSLStream(inner, trusting, server_hostname=name)
            if good:
                await stream.do_handshake()
            else:
                with pytest.raises(trio.BrokenResourceError):
                    await stream.do_handshake()
            await trio.aclose_forcefully(stream)


def test_files_that_are_wrong(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    with pytest.raises(CommandFailed, match="no file"):
        load_tls(certificate, key)
    first, second = make_self_signed(["a"], now=NOW), make_self_signed(["a"], now=NOW)
    certificate.write_bytes(first[0])
    for wrong in (b"rubbish", second[1], _encrypted(first[1])):
        key.write_bytes(wrong)
        with pytest.raises(CommandFailed, match="no certificate and its key"):
            load_tls(certificate, key)


def test_old_versions_of_tls_are_not_spoken(server_tls: ssl.SSLContext) -> None:
    assert server_tls.minimum_version == ssl.TLSVersion.TLSv1_2


def _encrypted(key: bytes) -> bytes:
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
