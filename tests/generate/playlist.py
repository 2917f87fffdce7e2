"""Makes vectors/playlist: segments and parts in, playlists out; and what a request for one is answered.

The texts are laid out here line by line from the draft, not with `archive/playlist`.
Read next: tests/vectors/test_playlist.py, which replays them.
"""

from __future__ import annotations

from typing import Any

from tests.generate.mediacases import Case, Cases

DRAFT = "draft-pantos-hls-rfc8216bis-22"
FLAGS = {
    "Gap": ("Some of the media is missing.", "It is listed with its duration, and marked."),
    "Ended": ("Nothing is added any more.", "Requests do not wait, and nothing is hinted at."),
}
TIMESCALE = 90_000
BEGAN = 1_735_689_600.0  # 2025-01-01T00:00:00Z
PART, SEGMENT = 28_800, 230_400  # 0.32 s and eight of them
CONTROL = "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=18.00000,HOLD-BACK=9.00000,PART-HOLD-BACK=0.96000"
HEAD = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-TARGETDURATION:3", CONTROL, "#EXT-X-PART-INF:PART-TARGET=0.32000"]
MAP = '#EXT-X-MAP:URI="init.mp4"'


def part(number: int, place: int) -> Case:
    """The part of a segment whose every fourth part can be begun with."""
    return {"uri": f"{number}.{place}.m4s", "duration": PART, "independent": place % 4 == 0}


def segment(number: int, parts: int = 8, **more: Any) -> Case:
    """A segment of 2.56 s; of fewer than eight parts one that grows."""
    listed = [part(number, place) for place in range(parts)]
    whole = SEGMENT if parts == 8 else None
    began = BEGAN + 2.56 * number
    return {"number": number, "uri": f"{number}.m4s", "duration": whole, "began_at": began, "parts": listed, **more}


def playlist(*segments: Case, **more: Any) -> Case:
    fixed = {"timescale": TIMESCALE, "target_duration": 3, "part_target": 0.32, "part_hold_back": 0.96}
    return {**fixed, "initialization": "init.mp4", "segments": list(segments), **more}


def date(number: int) -> str:
    """Of a segment's first sample."""
    ms = 2560 * number
    return f"#EXT-X-PROGRAM-DATE-TIME:2025-01-01T00:{ms // 60_000:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}Z"


def part_lines(number: int, parts: int = 8) -> list[str]:
    return [
        f'#EXT-X-PART:DURATION=0.32000,URI="{number}.{place}.m4s"' + (",INDEPENDENT=YES" if place % 4 == 0 else "")
        for place in range(parts)
    ]


def lines_of(number: int, *, parts: bool) -> list[str]:
    return [date(number), *(part_lines(number) if parts else []), "#EXTINF:2.56000,", f"{number}.m4s"]


def text(*lines: str | list[str]) -> dict[str, str]:
    flat = [each for line in lines for each in ([line] if isinstance(line, str) else line)]
    return {"text": "\n".join(flat) + "\n"}


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {
        "playlist/media": _media(),
        "playlist/multivariant": _multivariant(),
        "playlist/reload": _reload(),
        "playlist/dash": _dash(),
    }


# --- one rendition ----------------------------------------------------------------------------------


def _media() -> dict[str, Any]:
    cases = Cases("playlist-media", FLAGS)
    cases.group("media", f"{DRAFT} sections 4.4 and 6.2")
    _add_beginnings(cases)
    _add_windows(cases)
    _add_breaks_and_gaps(cases)
    cases.group("media-refused", f"{DRAFT} sections 4.2, 4.4.3 and 4.4.4")
    _add_refusals(cases)
    return cases.finish()


def _add_beginnings(cases: Cases) -> None:
    given = playlist(segment(0, 1), hint="0.1.m4s")
    hint = '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="0.1.m4s"'
    out = text(HEAD, "#EXT-X-MEDIA-SEQUENCE:0", MAP, date(0), part_lines(0, 1), hint)
    cases.valid("the first part", "preload-hint part-information map part-independent", {"playlist": given}, out)
    given = playlist(segment(0), segment(1, 3), hint="1.3.m4s")
    hint = '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="1.3.m4s"'
    out = text(HEAD, "#EXT-X-MEDIA-SEQUENCE:0", MAP, lines_of(0, parts=True), date(1), part_lines(1, 3), hint)
    cases.valid("a whole segment and one that grows", "tags-first program-date-time version", {"playlist": given}, out)
    reports = [
        {"uri": "../low/list.m3u8", "segment": 1, "part": 2},
        {"uri": "../sound/list.m3u8", "segment": 1, "part": 3},
    ]
    given = playlist(segment(0), segment(1, 3), hint="1.3.m4s", reports=reports)
    told = [
        '#EXT-X-RENDITION-REPORT:URI="../low/list.m3u8",LAST-MSN=1,LAST-PART=2',
        '#EXT-X-RENDITION-REPORT:URI="../sound/list.m3u8",LAST-MSN=1,LAST-PART=3',
    ]
    out = text(HEAD, "#EXT-X-MEDIA-SEQUENCE:0", MAP, lines_of(0, parts=True), date(1), part_lines(1, 3), hint, told)
    cases.valid("reports of two other renditions", "rendition-report", {"playlist": given}, out)
    plain = [{**segment(each), "parts": []} for each in range(2)]
    given = playlist(*plain, part_target=0.0, part_hold_back=0.0)
    head = [*HEAD[:3], CONTROL.removesuffix(",PART-HOLD-BACK=0.96000")]
    out = text(head, "#EXT-X-MEDIA-SEQUENCE:0", MAP, lines_of(0, parts=False), lines_of(1, parts=False))
    cases.valid("segments without parts", "hold-back blocking-offered", {"playlist": given}, out)
    words = [{**each, "uri": f"{number}.vtt"} for number, each in enumerate(plain)]
    reports = [{"uri": "../v720/list.m3u8", "segment": 2, "part": 1}]
    given = playlist(*words, part_target=0.0, part_hold_back=0.0, initialization="", reports=reports)
    told = '#EXT-X-RENDITION-REPORT:URI="../v720/list.m3u8",LAST-MSN=2,LAST-PART=1'
    lines = [line.replace("m4s", "vtt") for number in range(2) for line in lines_of(number, parts=False)]
    out = text(head, "#EXT-X-MEDIA-SEQUENCE:0", lines, told)
    cases.valid("captions: each segment begins with its own header", "map captions-whole", {"playlist": given}, out)
    reports = [{"uri": "../captions/list.m3u8", "segment": 0, "part": None}]
    given = playlist(segment(0), segment(1, 3), hint="1.3.m4s", reports=reports)
    told = '#EXT-X-RENDITION-REPORT:URI="../captions/list.m3u8",LAST-MSN=0'
    lines = [*lines_of(0, parts=True), date(1), *part_lines(1, 3), hint, told]
    out = text(HEAD, "#EXT-X-MEDIA-SEQUENCE:0", MAP, lines)
    cases.valid("a report of captions, which have no parts", "rendition-report", {"playlist": given}, out)


def _add_windows(cases: Cases) -> None:
    """Lists from which the oldest have gone; nine seconds before the end parts are listed no more."""
    sequence = "#EXT-X-MEDIA-SEQUENCE:100"
    numbers = range(100, 112)
    given = playlist(*map(segment, numbers), segment(112, 2), hint="112.2.m4s")
    hint = '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="112.2.m4s"'
    older = [line for number in range(100, 108) for line in lines_of(number, parts=False)]
    newer = [line for number in range(108, 112) for line in lines_of(number, parts=True)]
    edge = [date(112), *part_lines(112, 2), hint]
    out = text(HEAD, sequence, MAP, older, newer, edge)
    cases.valid("twelve whole segments: four with parts", "old-parts-removed media-sequence", {"playlist": given}, out)
    # 18 s from the end of segment 111 are 7.03 segments: 104 is cut by the boundary and stays.
    head = [HEAD[0], "#EXT-X-VERSION:9", *HEAD[2:]]
    older = [line for number in range(104, 108) for line in lines_of(number, parts=False)]
    out = text(head, sequence, "#EXT-X-SKIP:SKIPPED-SEGMENTS=4", older, newer, edge)
    cases.valid("an update of it", "delta-update skip-boundary version", {"playlist": given, "skip": True}, out)
    short = playlist(segment(0), segment(1, 3), hint="1.3.m4s")
    hint = '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="1.3.m4s"'
    out = text(HEAD, "#EXT-X-MEDIA-SEQUENCE:0", MAP, lines_of(0, parts=True), date(1), part_lines(1, 3), hint)
    cases.valid("an update where there is nothing to skip", "delta-update", {"playlist": short, "skip": True}, out)
    ended = playlist(*map(segment, numbers), has_ended=True)
    older = [line for number in range(100, 108) for line in lines_of(number, parts=False)]
    out = text(HEAD, sequence, MAP, older, newer, "#EXT-X-ENDLIST")
    cases.valid("ended", "end", {"playlist": ended}, out, ["Ended"])
    cases.valid("no update of what has ended", "delta-update end", {"playlist": ended, "skip": True}, out, ["Ended"])


def _add_breaks_and_gaps(cases: Cases) -> None:
    given = playlist(segment(5), segment(6, breaks=True), has_ended=True)
    counted = "#EXT-X-DISCONTINUITY-SEQUENCE:0"
    out = text(HEAD, "#EXT-X-MEDIA-SEQUENCE:5", counted, MAP, lines_of(5, parts=True), "#EXT-X-DISCONTINUITY",
               lines_of(6, parts=True), "#EXT-X-ENDLIST")  # fmt: skip
    cases.valid("a break", "discontinuity discontinuity-sequence tags-first", {"playlist": given}, out, ["Ended"])
    given = playlist(segment(7), breaks_before=2, has_ended=True)
    counted = "#EXT-X-DISCONTINUITY-SEQUENCE:2"
    out = text(HEAD, "#EXT-X-MEDIA-SEQUENCE:7", counted, MAP, lines_of(7, parts=True), "#EXT-X-ENDLIST")
    cases.valid("breaks that have left the list", "discontinuity-sequence", {"playlist": given}, out, ["Ended"])
    missing = {**segment(1), "parts": [], "is_gap": True}
    given = playlist(segment(0), missing, has_ended=True)
    lines = [date(1), "#EXT-X-GAP", "#EXTINF:2.56000,", "1.m4s"]
    out = text(HEAD, "#EXT-X-MEDIA-SEQUENCE:0", MAP, lines_of(0, parts=True), lines, "#EXT-X-ENDLIST")
    cases.valid("a segment is missing", "gap", {"playlist": given}, out, ["Gap", "Ended"])
    parts = [part(0, 0), {**part(0, 1), "duration": 9_000}, {**part(0, 2), "gap": True}]
    given = playlist({**segment(0, 3), "parts": parts}, hint="0.3.m4s")
    lines = [
        '#EXT-X-PART:DURATION=0.32000,URI="0.0.m4s",INDEPENDENT=YES',
        '#EXT-X-PART:DURATION=0.10000,URI="0.1.m4s"',
        '#EXT-X-PART:DURATION=0.32000,URI="0.2.m4s",GAP=YES',
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="0.3.m4s"',
    ]
    out = text(HEAD, "#EXT-X-MEDIA-SEQUENCE:0", MAP, date(0), lines)
    cases.valid(
        "a part is missing, and the one before is short", "part-gap part-shortest", {"playlist": given}, out, ["Gap"]
    )
    parts = [part(0, 0), {**part(0, 1), "duration": 9_000}]
    given = playlist({**segment(0), "parts": parts, "duration": 37_800}, has_ended=True)
    lines = ['#EXT-X-PART:DURATION=0.32000,URI="0.0.m4s",INDEPENDENT=YES', '#EXT-X-PART:DURATION=0.10000,URI="0.1.m4s"']
    out = text(HEAD, "#EXT-X-MEDIA-SEQUENCE:0", MAP, date(0), lines, "#EXTINF:0.42000,", "0.m4s", "#EXT-X-ENDLIST")
    cases.valid("the last part is short", "part-shortest", {"playlist": given}, out, ["Ended"])


def _add_refusals(cases: Cases) -> None:
    def refuse(comment: str, reqs: str, given: Case) -> None:
        cases.invalid(comment, reqs, {"playlist": given}, reaction="abort")

    refuse(
        "a segment of 3.5 s where 3 are the target",
        "target-duration",
        playlist({**segment(0), "parts": [], "duration": 315_000}),
    )
    refuse("a target of 0", "target-duration", playlist(target_duration=0))
    long = {**segment(0, 2), "parts": [part(0, 0), {**part(0, 1), "duration": PART + 1}]}
    refuse("a part longer than its target", "part-longest", playlist(long, hint="0.2.m4s"))
    short = {**segment(0, 3), "parts": [part(0, 0), {**part(0, 1), "duration": 24_000}, part(0, 2)]}
    refuse("a short part within a segment", "part-shortest", playlist(short, hint="0.3.m4s"))
    refuse("players of parts too near to the end", "part-hold-back", playlist(part_hold_back=0.95))
    refuse("a number is left out", "media-sequence", playlist(segment(0), segment(2)))
    refuse("a quote in an address", "quoted", playlist(segment(0, 1), hint='0".m4s'))
    refuse("a line break in an address", "quoted", playlist({**segment(0), "uri": "0.m4s\n#EXT-X-ENDLIST"}))
    refuse("an address that reads as a tag", "quoted", playlist({**segment(0), "uri": "#0.m4s"}))


# --- all renditions ---------------------------------------------------------------------------------


def _variant(height: int, width: int, rate: int) -> Case:
    look = {"uri": f"v{height}/list.m3u8", "width": width, "height": height, "frame_rate": 25.0}
    return {**look, "codecs": "avc1.42c01f,mp4a.40.2", "peak_bps": rate * 3 // 2, "average_bps": rate}


def _multivariant() -> dict[str, Any]:
    cases = Cases("playlist-multivariant", {})
    cases.group("multivariant", f"{DRAFT} section 4.4.6")
    head = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
    sound = (
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Meeting",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="1",'
        'URI="sound/list.m3u8"'
    )
    variants = [_variant(720, 1280, 1_500_000), _variant(360, 640, 600_000), _variant(180, 320, 200_000)]

    def lines(group: str) -> list[str]:
        return [
            line
            for each in variants
            for line in (
                f"#EXT-X-STREAM-INF:BANDWIDTH={each['peak_bps']},AVERAGE-BANDWIDTH={each['average_bps']},"
                f'RESOLUTION={each["width"]}x{each["height"]},FRAME-RATE=25.000,CODECS="{each["codecs"]}"{group}',
                each["uri"],
            )
        ]

    given: Case = {"variants": variants, "sound": "sound/list.m3u8"}
    reqs = "variants codecs one-sound independent-segments"
    cases.valid("three pictures and their sound", reqs, given, text(head, sound, lines(',AUDIO="sound"')))
    cases.valid("pictures alone", "variants", {"variants": variants, "sound": None}, text(head, lines("")))
    captions = (
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="captions",NAME="Captions",DEFAULT=NO,AUTOSELECT=YES,'
        'CHARACTERISTICS="public.accessibility.transcribes-spoken-dialog",URI="captions/list.m3u8"'
    )
    out = text(head, sound, captions, lines(',AUDIO="sound",SUBTITLES="captions"'))
    cases.valid("with captions", "captions-offered", {**given, "captions": "captions/list.m3u8"}, out)
    cases.group("multivariant-refused", f"{DRAFT} section 4.2")
    cases.invalid("no picture", "variants", {"variants": [], "sound": None}, reaction="abort")
    bad = {"variants": [{**variants[0], "codecs": 'avc1"'}], "sound": None}
    cases.invalid("a quote among the codecs", "quoted", bad, reaction="abort")
    return cases.finish()


# --- requests ---------------------------------------------------------------------------------------


def _reload() -> dict[str, Any]:
    cases = Cases("playlist-reload", FLAGS)
    cases.group("reload", f"{DRAFT} section 6.2.5.2")
    live = playlist(segment(8), segment(9), segment(10, 3), hint="10.3.m4s")
    between = playlist(segment(8), segment(9), hint="10.0.m4s")
    ended = playlist(segment(8), segment(9), has_ended=True)

    def add(comment: str, reqs: str, given: Case, answer: str | None, **query: str) -> None:
        words = {f"_HLS_{name}": value for name, value in query.items()}
        flags = ["Ended"] if given.get("has_ended") else []
        if answer is None:
            cases.invalid(comment, reqs, {"playlist": given, "query": words}, flags, reaction="error:400")
        else:
            cases.valid(comment, reqs, {"playlist": given, "query": words}, {"answer": answer}, flags)

    add("nothing asked for", "directives-read", live, "now")
    add("a segment that is whole", "blocking-segment", live, "now", msn="9")
    add("one that has left the list", "blocking-segment", live, "now", msn="2")
    add("one that grows", "blocking-segment", live, "later", msn="10")
    add("the one after", "blocking-segment", live, "later", msn="11")
    add("two after the last that is whole, and one more", "too-far-ahead", live, None, msn="12")
    add("a part that is there", "blocking-part", live, "now", msn="10", part="2")
    add("the next part", "blocking-part", live, "later", msn="10", part="3")
    add("a part of a segment that is whole", "blocking-part", live, "now", msn="9", part="7")
    add("a part behind the last of an older segment", "part-beyond-segment", live, "now", msn="9", part="8")
    add("the same while the next has not begun", "part-beyond-segment", between, "later", msn="9", part="8")
    add("the first part of the next segment", "blocking-part", between, "later", msn="10", part="0")
    add("ten parts ahead", "too-far-ahead", live, "later", msn="10", part="12")
    add("eleven parts ahead", "too-far-ahead", live, None, msn="10", part="13")
    add("a part and no segment", "part-needs-segment", live, None, part="3")
    add("ended: at once, however far", "ended-answers", ended, "now", msn="99")
    add("ended: a part", "ended-answers", ended, "now", msn="10", part="0")
    for word in ("-1", "1.5", "", "ten", "٣", "1" * 16, "1e3", " 9"):
        add(f"a segment called {word!r}", "directives-read", live, None, msn=word)
    add("a part that is no number", "directives-read", live, None, msn="10", part="x")
    return cases.finish()


# --- DASH -------------------------------------------------------------------------------------------


def _dash() -> dict[str, Any]:
    cases = Cases("playlist-dash", {})
    cases.group("dash", "ISO/IEC 23009-1 sections 5.3.1 and 5.3.9")
    picture = playlist(segment(4), segment(5), segment(6, 2), hint="6.2.m4s")
    ticks = 122_880  # 2.56 s of 48 kHz
    sounds = [{**segment(number), "parts": [], "duration": ticks} for number in (4, 5)]
    sound = playlist(*sounds, timescale=48_000)
    given = {
        "presentation": {"began_at": BEGAN, "published_at": BEGAN + 16.0, "delay": 6.0, "time_source": "time",
                         "initialization": "$RepresentationID$/init.mp4", "media": "$RepresentationID$/$Number$.m4s"},
        "representations": [
            {"name": "v720", "playlist": picture, "first_at": 4 * SEGMENT, "codecs": "avc1.42c01f",
             "average_bps": 1_500_000, "size": [1280, 720], "frame_rate": 25, "sample_rate": 0},
            {"name": "sound", "playlist": sound, "first_at": 4 * ticks, "codecs": "mp4a.40.2",
             "average_bps": 64_000, "size": None, "frame_rate": 0, "sample_rate": 48_000},
        ],
    }  # fmt: skip
    out = {
        "began": "2025-01-01T00:00:00.000Z",
        "representations": [
            {"name": "v720", "initialization": "v720/init.mp4",
             "segments": [["v720/4.m4s", 10.24, 2.56], ["v720/5.m4s", 12.8, 2.56]]},
            {"name": "sound", "initialization": "sound/init.mp4",
             "segments": [["sound/4.m4s", 10.24, 2.56], ["sound/5.m4s", 12.8, 2.56]]},
        ],
    }  # fmt: skip
    cases.valid("a picture and its sound", "dash-live dash-timeline", given, out)
    cases.group("dash-refused", "ISO/IEC 23009-1 section 5.3.9")
    nothing = {
        **given,
        "representations": [{**given["representations"][0], "playlist": playlist(segment(4, 2), hint="4.2.m4s")}],
    }  # type: ignore[index, call-overload]
    cases.invalid("no segment is whole", "dash-timeline", nothing, reaction="abort")
    return cases.finish()
