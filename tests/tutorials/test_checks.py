"""The checks of the tutorials: they let through what a page builds and what is shipped, and nothing that is wrong.

Each wrong module is the page's own with one line changed, a mistake that somebody has made.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tutorials.exercises import ROOT, module_of
from tests.tutorials.wrong_bandwidth import BANDWIDTH
from tests.tutorials.wrong_loss import LOSS
from tests.tutorials.wrong_recording import RECORDING
from tests.tutorials.wrong_rtp import RTP
from tests.tutorials.wrong_sfu import SFU

PAGES = {
    "test_stun": ("01-stun.md", "my_stun.py"),
    "test_stun_client": ("02-stun-client.md", "my_client.py"),
    "test_nat": ("03-nat-and-turn.md", "my_nat.py"),
    "test_ice": ("04-ice.md", "my_ice.py"),
    "test_srtp": ("06-srtp.md", "my_srtp.py"),
    "test_rtp": ("07-rtp.md", "my_rtp.py"),
    "test_loss": ("08-loss.md", "my_loss.py"),
    "test_bandwidth": ("09-bandwidth.md", "my_bandwidth.py"),
    "test_sfu": ("10-sfu.md", "my_sfu.py"),
    "test_recording": ("12-recording.md", "my_recording.py"),
}

SHARES = 7
"""Coprime with a hundred, by which the seeds of two days differ: so each day has another share."""

WRONG = {
    "test_stun": {
        "no mask": ("zip(octets, COOKIE + transaction)", "zip(octets, bytes(16))"),
        "only the cookie": ("zip(octets, COOKIE + transaction)", "zip(octets, 4 * COOKIE)"),
        "no padding": ("+ -length % 4", ""),
        "length counts the header": ("length != len(data) - 20", "length != len(data)"),
        "no cookie": ("if data[4:8] != COOKIE:", "if False:"),
        "class bits together": ("message_type >> 7 & 2 | message_type >> 4 & 1", "message_type >> 4 & 3"),
        "integrity sees the whole length": ("data[:2] + length.to_bytes(2) + data[4 : start - 4]", "data[: start - 4]"),
        "integrity is not compared": ("hmac.compare_digest(integrity(covered, key), data[start : start + 20])", "True"),
        "fingerprint without STUN": ("zlib.crc32(covered) ^ 0x5354554E", "zlib.crc32(covered)"),
        "text that is none": ("except UnicodeDecodeError:", "except KeyError:"),
        "reads behind the integrity": ("elif not protected:", "else:"),
    },
    "test_stun_client": {
        "same waits": ("2 ** (self.sendings - 1)", "1"),
        "six sendings": ("SENDINGS = 7", "SENDINGS = 6"),
        "gives up at once after the last": ("LAST_WAIT if self.sendings == SENDINGS else", ""),
        "a backlog after sleep": (
            "self.next_at = now + wait",
            "self.next_at = (self.next_at if self.next_at < math.inf else now) + wait",
        ),
        "never stops": ("    self.next_at = math.inf\n    self.happened", "    self.happened"),
        "from anywhere": (" or datagram.remote != self.server", ""),
        "any transaction": ("message.transaction != self.transaction or", ""),
        "a request is an answer": (" or message.kind not in (stun.Class.SUCCESS, stun.Class.ERROR)", ""),
        "an error is success": ("if message.kind is stun.Class.ERROR:", "if False:"),
        "what must be understood": ("elif message.unknown_required:", "elif False:"),
        "garbage raises": ("except Malformed:", "except KeyError:"),
        "one transaction for ever": ("self.transaction = self.dice(12)", "self.transaction = bytes(12)"),
        "too early": ("if now < self.next_at:", "if False:"),
    },
    "test_nat": {
        "never forgets": ("now < mapping.used_at + self.behaviour.timeout", "True"),
        "filters never end": ("or now >= written_at + self.behaviour.timeout", ""),
        "filters like it maps": (
            "part(self.behaviour.filtering, header.source)",
            "part(self.behaviour.mapping, header.source)",
        ),
        "writes as it maps": (
            "part(self.behaviour.filtering, header.destination)",
            "part(self.behaviour.mapping, header.destination)",
        ),
        "one mapping for all": ("part(self.behaviour.mapping, header.destination)", "None"),
        "the port is not an address": ("return remote.host if dependence", "return remote.port if dependence"),
        "udp and tcp as one": (
            "self.by_outside[header.transport, mapping.outside]",
            'self.by_outside["udp", mapping.outside]',
        ),
        "overloads ports": ("if self.alive(self.by_outside.get((transport, place)), now) is None:", "if True:"),
        "always hairpins": ("header.source.host in self.addresses and not", "False and not"),
        "no use counts": ("    mapping.used_at = now\n", ""),
        "changes the source of what comes in": (
            "_replace(destination=mapping.inside)",
            "_replace(source=mapping.outside)",
        ),
    },
    "test_ice": {
        "sender's name first": (
            "{self.peer.ufrag}:{self.credentials.ufrag}",
            "{self.credentials.ufrag}:{self.peer.ufrag}",
        ),
        "own password": (
            "integrity_key=self.peer.password.encode()",
            "integrity_key=self.credentials.password.encode()",
        ),
        "its own priority": ('PREFERENCES["prflx"] << 24 | pair.local_priority & 0xFFFFFF', "pair.local_priority"),
        "the worst pair first": ("return max(waiting", "return min(waiting"),
        "answers anybody": (" or not stun.verify_integrity(datagram.data, own.password.encode())", ""),
        "any name": ('username.partition(":")[0] != own.ufrag or', ""),
        "believes unsigned answers": (" or not stun.verify_integrity(datagram.data, self.peer.password.encode())", ""),
        "answers from anywhere": ("if (datagram.local, datagram.remote) != (pair.local, pair.remote):", "if False:"),
        "no triggered checks": (
            "        self.triggered.append(pair)\n        self.wake(now)\n\n\ndef say",
            "        pass\n\n\ndef say",
        ),
        "never yields": (
            "    if theirs is not None:\n        self.controlling = not",
            "    if False:\n        self.controlling = not",
        ),
        "nobody yields to it": ("(self.tie_breaker >= theirs) == self.controlling", "False"),
        "deaf to 487": ("elif error is not None and error.code == 487:", "elif False:"),
        "nobody nominates": ("self.ask(max(valid, key=self.rank), now, nominates=True)", "pass"),
        "selects what was never answered": (
            'if pair.state == "succeeded":\n        self.consider',
            "if True:\n        self.consider",
        ),
        "no consent": ("        self.ask(self.selected, now)\n", "        pass\n"),
        "consent for ever": ("if now >= self.expires_at:", "if False:"),
        "families mixed": ("if local.is_ipv6 == remote.is_ipv6:", "if True:"),
        "no repetitions": (
            "            self.out.append(Datagram(check.data, check.pair.local, check.pair.remote))\n",
            "            pass\n",
        ),
    },
    "test_srtp": {
        "any certificate": (
            "    return hmac.compare_digest(made(certificate)",
            "    return True or (made(certificate)",
        ),
        "only large letters": ("value.strip().upper())", "value)"),
        "SHA-1 will do": ('"sha-512": hashlib.sha512}', '"sha-512": hashlib.sha512, "sha-1": hashlib.sha1}'),
        "the beginning will do": (
            '    return hmac.compare_digest(made(certificate).digest().hex(":").upper(), value.strip().upper())',
            "    return made(certificate).digest().hex(':').upper().startswith(value.strip().upper() or 'no')",
        ),
        "the server's random first": ("client_random + server_random, size", "server_random + client_random, size"),
        "key and salt in turns": (
            "ends = [0, key_octets, 2 * key_octets, 2 * key_octets + salt_octets,",
            "ends = [0, key_octets, key_octets + salt_octets, 2 * key_octets + salt_octets,",
        ),
        "the label elsewhere": ("label << 48", "label << 56"),
        "zeros in front of a short salt": ("master_salt.ljust(14", "master_salt.rjust(14"),
        "salts for keys": (
            "RTP_KEY, RTP_SALT, RTCP_KEY, RTCP_SALT = 0, 2, 3, 5",
            "RTP_KEY, RTP_SALT, RTCP_KEY, RTCP_SALT = 2, 0, 3, 5",
        ),
        "RTCP with the keys of RTP": ("RTCP_KEY, RTCP_SALT = 0, 2, 3, 5", "RTCP_KEY, RTCP_SALT = 0, 2, 0, 2"),
        "a nonce without the source": ("^ int.from_bytes(ssrc) << 48 ^ index", "^ index"),
        "a nonce of the sequence number": ("<< 48 ^ index)", "<< 48 ^ index & 0xFFFF)"),
        "the header may be changed": (
            "packet[start:], packet[:start])\n\n\ndef unseal(",
            "packet[start:], b'')\n\n\ndef unseal(",
        ),
        "control: the bit may be changed": ("packet[8:], head + trailer) + trailer", "packet[8:], head) + trailer"),
        "a tag that is wrong raises": ("except (Malformed, InvalidTag):", "except Malformed:"),
        "no roll-over": ("return self.highest + ahead", "return sequence"),
        "roll-overs go forward only": (
            "(sequence - self.highest + 0x8000 & 0xFFFF) - 0x8000",
            "sequence - self.highest & 0xFFFF",
        ),
        "replays open": ("not self.used >> age & 1", "True"),
        "late is too late": ("age < WINDOW and", "age < 8 and"),
        "an index twice": ('            raise ValueError("this index was used")', "            pass"),
        "noted before the tag was proved": (
            "        opened = unseal(self.key, self.salt, packet, index)\n        if opened is not None:\n",
            "        opened = unseal(self.key, self.salt, packet, index)\n        if True:\n",
        ),
        "one count for all sources": ("self.sources.setdefault(packet[8:12],", "self.sources.setdefault(0,"),
        "control packets do not count": ("self.control_indexes.get(packet[4:8], 0) + 1", "1"),
        "control replays open": ("packet) if source.is_fresh(index) else None", "packet)"),
    },
    "test_rtp": RTP,
    "test_loss": LOSS,
    "test_bandwidth": BANDWIDTH,
    "test_sfu": SFU,
    "test_recording": RECORDING,
}


def run_check(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"tutorials/checks/{name}.py", *options]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip


def check(name: str, text: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a check on the text of a module."""
    path = folder / PAGES[name][1]
    path.write_text(text, encoding="utf-8")
    return run_check(name, "--module", str(path), *options)


@pytest.mark.parametrize("name", PAGES)
def test_what_the_page_builds_passes(name: str, tmp_path: Path) -> None:
    done = check(name, module_of(*PAGES[name]), tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_module_fails_at_every_step(name: str, tmp_path: Path) -> None:
    done = check(name, "", tmp_path)
    assert done.returncode == 1, done.stdout
    assert " passed" not in done.stdout


@pytest.mark.parametrize("name", PAGES)
def test_a_file_that_is_not_there_is_told(name: str, tmp_path: Path) -> None:
    done = run_check(name, "--module", str(tmp_path / "nothing.py"))
    assert done.returncode == 1
    assert "there is no file" in done.stdout


@pytest.mark.slow
@pytest.mark.soak(ci=1, full=SHARES)
@pytest.mark.parametrize("name", PAGES)
def test_a_mistake_is_found(name: str, seed: int, tmp_path: Path) -> None:
    """Each seed has a share of the mistakes; there are hundreds, and a check takes a second or two."""
    text = module_of(*PAGES[name])
    for mistake in list(WRONG[name])[seed % SHARES :: SHARES]:
        right, wrong = WRONG[name][mistake]
        assert text.count(right) == 1, mistake
        done = check(name, text.replace(right, wrong), tmp_path, "--exitfirst")
        assert done.returncode == 1, f"nobody noticed: {mistake}"
        assert "error" not in done.stdout.rpartition("\n")[2], mistake
