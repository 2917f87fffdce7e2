"""What to look at in the sessions about media.

Stands below `tests/generate/sessiontexts.py`, which puts it before the packets.
"""

from __future__ import annotations

MEDIA_LOOK_AT = {
    "simulcast-switch": """\
Alice's camera comes in three sizes, `q`, `h` and `f`: 80 x 48, 160 x 96 and 320 x 192, small ones, so that the
capture is small. Bob's tile has 48 lines, then 192, then 48 again; he says so in the signaling (`look`), whose
messages stand among the packets and, whole, in `signaling.json`. Captured at Alice and at Bob: what she sent has her
numbers, what he got has the server's.

Look at: three SSRCs of Alice's, and in the header extensions of each packet the section (4) and the name of the size
(7): nothing else says which is which. Bob's slot begins with the largest; as soon as the server has measured what the
sizes take, it goes over to the one that fits his tile. Each change is the same three steps: a picture loss indication
to the size that is wanted next, its keyframe (Alice makes one in all sizes, as browsers do), and at that keyframe,
not a packet earlier, Bob's stream goes on with the other size. Until then the old size goes on.

Bob sees one SSRC. Its sequence numbers have no gap and no repetition across the changes, its timestamps go on by
9000, a tenth of a second, for each picture, and the picture ids in its VP8 descriptors count on; Alice's own of the
three sizes have nothing to do with each other. One step is different: when the size goes up, the small picture of
that moment has gone already, and the large one of the same moment comes 90 behind it, a millisecond. At the end
nobody has used `h` for five seconds: `layers` says so, and Alice stops sending it.
[The page about it](../../../docs/simulcast.md) tells the rest.
""",
    "nack-burst": """\
Alice's picture in many small packets, and Bob, whom nothing reaches for half a second, and later for 2.4 seconds;
what he sends comes through. Captured at Bob and at the server, so that one sees what was sent and what came. Alice
has one size and no sound. (`lossy-repair` is about single packets that get lost by chance.)

Look at: the first NACK. Bob notices nothing while nothing comes; with the first packet behind the gap he knows all
that he misses, and waits 10 ms, because packets also overtake each other. One entry of a NACK names a packet (PID)
and in a mask (BLP) any of the sixteen behind it: nine packets are one entry. The answer is all nine at once on the
stream for repairs, with its own SSRC and its own sequence numbers; the first two octets of each payload are the
original number, and the timestamp is the original one.

The second NACK has 66 packets in four entries, and not all are answered: the server keeps packets for two seconds,
and the ten oldest are older. Bob asks for those again each 100 ms, gives up after a second, and sends a picture loss
indication; the server passes it on to Alice, and her keyframe sets him going again. Everything behind the ten had
come by then and was of no use without them. The receiver reports say how much stayed lost: what was repaired counts
as received. [The page about loss](../../../docs/loss.md) compares the ways to repair.
""",
    "fec-recovery": """\
Two ends and no server: Alice sends VP8 to Bob, 100 ms away, over a path that loses six packets in a hundred. It is
plain RTP: encryption would add nothing to see. (`fec-call` has a server between them.) What Bob computes, and what
Alice decides, stands between the packets. Captured at both.

Look at: the payload type, 98 for every packet: each is RED, whose first octet says what is inside, 96 for a part of a
picture and 99 for ULPFEC. At the beginning there is no FEC, and what is lost stays lost. Bob's report tells Alice of
it, and the times in it that the way there and back takes 200 ms: to ask again would be too slow, so from there on
there is an FEC packet for every two. It never adds to the bandwidth: Alice goes over to a smaller size of her
picture, with a keyframe.

An FEC packet has the next sequence number of the same stream and comes behind the picture, or the few, whose packets
it is about; its header has the lowest of their numbers and a mask of the others. Where there are several rows they
are interleaved, so that of two packets that are lost one behind the other each is in a row of its own. Bob takes the
exclusive-or of what came of a row and of the FEC packet: if one is missing, that is it, octet for octet, and no time
is lost. What he gets back is the packet as it was before RED. One he does not get: the FEC packet of its row was
lost, too. [The page about loss](../../../docs/loss.md) tells when FEC is worth it.
""",
    "fec-call": """\
Alice's picture in small packets, and Bob, 100 ms away, to whom the server sends it; from 1.5 s after he came seven
packets of a hundred that are sent to him are lost. The server was told to protect pictures (`--video-fec`). Captured
at Bob and at the server, so that one sees what was sent and what came. What the server decides stands between the
packets. There is no sound.

Look at: the description that the server offers Bob (`sdp.json`): VP8 is 96, `red/90000` 116 and `ulpfec/90000` 117,
and his answer takes all three. At the beginning every packet is plain VP8. Bob's transport-wide feedback, ten times a
second, tells of loss, and 200 ms there and back are too long to ask again. The more of it the server learns of, the
shorter are the rows. From there on every part of a picture is in RED: one octet of 96 in front, and 116 in the
header. Behind the last part of a picture (its marker is set) stands its FEC, 117 in RED, with the next numbers of the
same stream and the timestamp of the picture, and without a marker. What FEC protects is the packet without RED, with
zeros for the transport-wide number (extension 3), which each link writes anew.

Bob computes what is missing as soon as its row is there, and asks only for what is still missing 40 ms after the gap
(filter `rtcp.rtpfb.fmt == 1`). The answer is plain VP8 again, on the stream for repairs. FEC that was lost he knows by
the pictures around it, and asks for none; who asks for it all the same gets an empty packet under its number: it would
have come too late for what it protects. [The page about loss](../../../docs/loss.md) tells when FEC is worth it.
""",
    "bandwidth-step": """\
Bob's line carries 500 kbit/s, after two seconds 100, and five seconds later 500 again: a fifth of 2.5 and 0.5 Mbit/s,
so that the capture is small. Alice's three sizes are as small (190, 90 and 30 kbit/s on average). There is no sound.
Captured at Bob, whose *down* connection is all there is; Alice is not shown. Between the packets stand the signaling,
what happens to the line, and what the server estimates.

Look at: what comes first, right behind the handshake: packets of nothing but padding on the stream for repairs (RTX),
which leave at 2.5 Mbit/s, more than the line carries. So they come one behind the other at the rate of the line, and
Bob's first feedback tells the server that rate, 428 kbit/s, before the first picture leaves. That is a probe.

Then the header extension 3 of each packet to Bob, the transport-wide number, which counts all packets of the
connection, whatever their stream; his feedback (filter `rtcp.rtpfb.fmt == 15`), seven times a second, with the arrival
of every one of them in ticks of 250 microseconds; nothing else tells the server about the line. When the line gets
thin nothing is lost and nothing is said: packets queue in front of it, and each comes later than the one before. The
way back stays wide, but feedback tells of packets that are late themselves, so it takes a second until the trend is
plain. As long as the server sends less than it thinks it may, the estimate is halved at most, twice here; then it is
0.85 of what arrives.

The picture gets smaller in two steps, each at a keyframe, and each behind all that still queues (a second and more:
STUN checks are repeated meanwhile, because the answers to the first ones are late). When the queue has drained the
estimate rises slowly, for nobody knows what a line carries on which nothing is sent. So there are probes again, now of
packets that had arrived just before. Each tries what the next size takes, since a short one may find what is not
there. By then the line is wide again: those at 8.7 s find that somewhat more fits, those at 9.9 s that the next size
does, and those half a second later twice as much again; two seconds later, when it has lasted, the picture grows. What
was off had to be switched on first: `layers` goes to Alice.
[The page about it](../../../docs/bandwidth.md) shows such a step at full size.
""",
    "speaker-change": """\
Twelve people in a room. Eleven send a small picture and sound; Vera, the twelfth, only looks, with four tiles of
which one is large. Ben speaks from 1.5 s on, Ada from 4.0 s on. Captured at Vera and at Ada, of whom only the
connection on which she sends is shown; what the others send is shown where it comes to Vera. Vera's signaling stands
among the packets and in `signaling.json`.

Look at: the header extension 1 of Ada's sound, the level, 0 the loudest and 127 silence; who is silent sends one
octet each 0.4 s instead of a packet each 20 ms. That is all the server listens to: it decodes nothing. `speaker`
names Ben 0.4 s after his first word and Ada 0.9 s after hers, because she has to be more active than Ben was, over
three spans of time, and a decision falls each 0.3 s. `seats` comes with it: Ben, who had no tile, sits down in seat
3, which becomes the large one; Ada in seat 2; and Ben keeps his, because who spoke last is seen before those who
never did.

A room of more than nine has five slots for sound of their own, 16 to 20 here, for the loudest; the others are not
heard. Nothing is negotiated for all that (`sdp.json`: one offer to Vera, when she comes). A picture begins with
a keyframe, so Ada gets a picture loss indication as she sits down, and her first packets to Vera go on with the
sequence numbers, timestamps and picture ids of the stream on which Emmy was seen until then: compare the payloads at
`ada` with those at `vera`. `seats` names the first timestamp of hers (`video_from`), at which the page changes the
name on the tile.
""",
}
