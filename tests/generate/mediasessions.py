"""Stories of the media plane: another size, a burst of losses, a line that gets thin, another speaker.

Told with the whole server on the virtual network. What is said in the signaling is kept beside the capture.
Read next: tests/generate/sessioncamera.py (who takes part), tests/generate/sessions.py, which makes folders of them.
"""

from __future__ import annotations

from functools import partial

import trio

from meetref.net.virtuallink import Impairments
from meetref.wire import signaling
from tests.generate.fecsession import fec_recovery
from tests.generate.sessioncamera import BARE, WAY, camera, show, speak, taking_part
from tests.generate.told import Story, Told
from tests.stories.people import Meeting, meeting
from tests.stories.sizes import Sizes

ALICE, BOB = "192.0.2.10", "192.0.2.20"
PEOPLE = ("cora", "dirac", "emmy", "fibo", "gauss", "hugo", "ito", "ben", "jacobi", "ada", "karl")
SPEAK = {"ben": (1.5, 3.8), "ada": (4.0, 6.3)}
"""From when to when, in seconds."""
FAR = Impairments(delay=0.025)
WIDE = Impairments(delay=0.015, bandwidth_bps=500_000, queue_octets=64_000)
THIN = Impairments(delay=0.015, bandwidth_bps=100_000, queue_octets=64_000)
FARTHER = Impairments(delay=0.1)
LOSSY = Impairments(delay=0.1, loss=0.07)
NOTHING = Impairments(delay=0.025, loss=1.0)


async def simulcast_switch(told: Told, seed: int) -> None:
    """Bob has a small tile, a large one, and a small one again."""
    told.listens = frozenset({"alice", "bob"})
    async with meeting(seed, **BARE) as scene, trio.open_nursery() as nursery:
        told.know(scene.host)
        async with taking_part(told, scene, "alice", ALICE, camera="on") as alice:
            sizes = Sizes(alice, camera())
            await sizes.publish()
            nursery.start_soon(sizes.play)
            await trio.sleep(0.5)
            async with taking_part(told, scene, "bob", BOB) as bob:
                for height, lasts in ((48, 1.6), (192, 1.2), (48, 2.4)):
                    bob.say(signaling.Look(tiles=1, large=height, small=height))
                    await trio.sleep(lasts)
            await trio.sleep(0.2)
            nursery.cancel_scope.cancel()


async def nack_burst(told: Told, seed: int) -> None:
    """Nothing reaches Bob for half a second, which is repaired; then for longer than anybody remembers."""
    async with meeting(seed, **BARE) as scene, trio.open_nursery() as nursery:
        told.know(scene.host)
        told.watch(scene.host)
        async with taking_part(told, scene, "alice", ALICE, watched=False, camera="on") as alice:
            await alice.publish(["camera"])
            nursery.start_soon(partial(show, alice.senders["camera"], "h", largest_part=200))
            await trio.sleep(0.2)
            async with taking_part(told, scene, "bob", BOB, FAR):
                for lasts in (0.5, 2.4):
                    await trio.sleep(0.7)
                    scene.network.connect(scene.host, scene.network.hosts["bob"], NOTHING, FAR)
                    told.remark("network", "server > bob", "from here on nothing comes through")
                    await trio.sleep(lasts)
                    scene.network.connect(scene.host, scene.network.hosts["bob"], FAR)
                    told.remark("network", "server > bob", "everything comes through again")
                await trio.sleep(1.6)
            await trio.sleep(0.2)
            nursery.cancel_scope.cancel()


async def fec_call(told: Told, seed: int) -> None:
    """Bob is far away, and from a moment on some of what is sent to him is lost."""
    async with meeting(seed, video_fec=True, **BARE) as scene, trio.open_nursery() as nursery:
        told.know(scene.host)
        told.watch(scene.host)
        async with taking_part(told, scene, "alice", ALICE, watched=False, camera="on") as alice:
            await alice.publish(["camera"])
            nursery.start_soon(partial(show, alice.senders["camera"], "h", largest_part=200))
            await trio.sleep(0.2)
            async with taking_part(told, scene, "bob", BOB, FARTHER, tells_arrivals=True):
                nursery.start_soon(tell_protection, told, scene, "bob")
                await trio.sleep(1.5)
                scene.network.connect(scene.host, scene.network.hosts["bob"], LOSSY, FARTHER)
                told.remark("network", "server > bob", "from here on seven packets of a hundred are lost")
                await trio.sleep(4.0)
            await trio.sleep(0.2)
            nursery.cancel_scope.cancel()


async def tell_protection(told: Told, scene: Meeting, name: str) -> None:
    """Say on the page how the server protects a viewer's pictures, whenever it is otherwise."""
    row = 0
    while True:
        await trio.sleep(0.1)
        (room,) = scene.server.rooms.rooms.values()
        for each in room.people.values():
            if each.person.name == name and each.down is not None and each.down.fec.protection.row != row:
                row = each.down.fec.protection.row
                told.remark("protection", f"server > {name}", each.down.fec.protection.reason)


async def bandwidth_step(told: Told, seed: int) -> None:
    """Bob's line carries 500 kbit/s, then 100, then 500 again: a fifth of 2.5 and 0.5 Mbit/s."""
    told.listens = frozenset({"alice", "bob"})
    async with meeting(seed, **BARE) as scene, trio.open_nursery() as nursery:
        told.know(scene.host)
        async with taking_part(told, scene, "alice", ALICE, watched=False, camera="on", key_log=False) as alice:
            sizes = Sizes(alice, camera(frame_rate=20))
            await sizes.publish()
            nursery.start_soon(sizes.play)
            await trio.sleep(1.0)
            async with taking_part(told, scene, "bob", BOB, WIDE, tells_arrivals=True) as bob:
                nursery.start_soon(tell_estimate, told, scene, "bob")
                bob.say(signaling.Look(tiles=1, large=192, small=192))
                await trio.sleep(2.0)
                for line, lasts in ((THIN, 5.0), (WIDE, 6.7)):
                    scene.network.connect(scene.host, scene.network.hosts["bob"], line, WAY)
                    told.remark(
                        "network", "server > bob", f"the line carries {round(line.bandwidth_bps / 1000)} kbit/s"
                    )
                    await trio.sleep(lasts)
            nursery.cancel_scope.cancel()


async def tell_estimate(told: Told, scene: Meeting, name: str) -> None:
    """Say on the page what the server makes of a viewer's feedback, whenever it is something else."""
    before: tuple[str, float] = ("", 0.0)
    while True:
        await trio.sleep(0.1)
        (room,) = scene.server.rooms.rooms.values()
        downs = [each.down for each in room.people.values() if each.person.name == name and each.down is not None]
        if not downs or not downs[0].capacity.feedbacks:
            continue
        estimator = downs[0].capacity.estimator
        now = estimator.state, estimator.target_bps
        if now[0] != before[0] or abs(now[1] - before[1]) > 0.1 * before[1]:
            told.remark("estimate", f"server > {name}", f"{now[1] / 1000:.0f} kbit/s, {now[0]}")
            before = now


async def speaker_change(told: Told, seed: int) -> None:
    """Twelve people; Ben speaks, then Ada does, and Vera, who has four tiles, sees it."""
    told.listens, told.follows = frozenset({"vera"}), frozenset({"ada", "vera"})
    async with meeting(seed, **BARE) as scene, trio.open_nursery() as nursery:
        told.know(scene.host)
        for number, name in enumerate(PEOPLE):
            nursery.start_soon(be_heard, told, scene, name, f"192.0.2.{10 + number}")
            await trio.sleep(0.02)
        async with taking_part(told, scene, "vera", "192.0.2.30") as vera:
            vera.say(signaling.Look(layout="speaker", tiles=4))
            await trio.sleep(6.5)
        nursery.cancel_scope.cancel()


async def be_heard(told: Told, scene: Meeting, name: str, address: str) -> None:
    """Send sound and picture, and look at nobody."""
    shown = name == "ada"
    async with (
        taking_part(
            told, scene, name, address, watched=shown, ports=frozenset({49152}), microphone="on", camera="on",
            key_log=shown,
        ) as client,
        trio.open_nursery() as nursery,
    ):  # fmt: skip
        client.say(signaling.Look(tiles=0))
        await client.publish(["microphone", "camera"])
        nursery.start_soon(partial(show, client.senders["camera"], "q", frame_rate=5))
        nursery.start_soon(speak, client.senders["microphone"], *SPEAK.get(name, (0.0, 0.0)))
        await trio.sleep_forever()


MEDIA_STORIES = {
    "simulcast-switch": Story(
        simulcast_switch, 21, "A tile grows, and shrinks again: the server goes over to another size at its keyframe",
        ("rtp", "simulcast", "rewriting", "vp8"),
        ("rewriting/continuing", "rewriting/pictures-continue", "rewriting/sequence-continues",
         "rewriting/time-goes-on", "simulcast/rid-names-stream", "simulcast/switch-at-keyframe",
         "simulcast/whole-keyframe"),
    ),
    "nack-burst": Story(
        nack_burst, 22, "A burst of losses that is repaired, and one that is too long for that: NACK, RTX, PLI",
        ("rtp", "rtcp", "repair"),
        ("rtcp/nack-bitmask", "rtcp/nack-not-empty", "rtcp/pli-is-bare", "rtp/rtx-original-sequence",
         "rtp/rtx-own-sequence", "rtp/rtx-same-timestamp"),
    ),
    "fec-recovery": Story(
        fec_recovery, 47, "A long and lossy path without anybody who asks again: ULPFEC in RED, in plain RTP",
        ("rtp", "rtcp", "fec", "red"),
        ("fec/base-is-lowest", "fec/mask", "fec/one-missing", "fec/protected-string", "fec/recovered-header",
         "fec/virtual-packets", "fec/within-the-bandwidth", "red/block-header", "rtcp/fraction-lost"),
    ),
    "fec-call": Story(
        fec_call, 69, "A viewer who is far away and loses packets: the server puts FEC among the pictures",
        ("rtp", "rtcp", "fec", "red", "repair"),
        ("fec/behind-its-picture", "fec/mutable-octets-zero", "fec/not-sent-again", "fec/one-line", "fec/one-missing",
         "fec/virtual-packets", "fec/worth-it"),
    ),
    "bandwidth-step": Story(
        bandwidth_step, 24, "A line gets thin and wide again: transport-wide feedback, and the layers that follow",
        ("rtcp", "bandwidth", "feedback", "allocation", "simulcast"),
        ("allocation/when-anew", "allocation/up-after-a-while", "bandwidth/overuse", "bandwidth/decrease",
         "rtcp/twcc-feedback-count", "rtcp/twcc-reported-once"),
    ),
    "speaker-change": Story(
        speaker_change, 25, "Twelve people, four tiles: who speaks is seen, and who spoke before",
        ("rtp", "speaker", "rewriting", "simulcast"),
        ("rewriting/continuing", "rtp/audio-level", "speaker/decision-interval", "speaker/recent",
         "speaker/three-spans"),
    ),
}  # fmt: skip
