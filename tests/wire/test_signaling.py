"""Signaling messages: strict in what they are, and the same after a round trip."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import signaling
from meetref.wire.reader import Malformed

FROM_CLIENT = signaling.ClientMessage.__args__  # type: ignore[attr-defined]
FROM_SERVER = signaling.ServerMessage.__args__  # type: ignore[attr-defined]


@given(st.sampled_from(FROM_CLIENT).flatmap(st.from_type))
def test_what_a_client_says_is_understood(message: signaling.ClientMessage) -> None:
    assert _same(signaling.parse_client, message)


@given(st.sampled_from(FROM_SERVER).flatmap(st.from_type))
def test_what_the_server_says_is_understood(message: signaling.ServerMessage) -> None:
    assert _same(signaling.parse_server, message)


def _same(parse: object, message: object) -> bool:
    """Whether a message comes back equal; what is outside of its bounds does not come back at all.

    The texts are compared, since JSON has no infinity: it is null, and so comes back as None.
    """
    try:
        text = signaling.serialize(message)  # type: ignore[arg-type]
    except UnicodeEncodeError:  # half of a surrogate pair has no octets
        return True
    try:
        return signaling.serialize(parse(text)) == text  # type: ignore[operator]
    except Malformed as error:
        return any(word in error.what for word in ("length", "regex", "`int`", "octets", "`float`, got `null`"))


@pytest.mark.parametrize("parse", [signaling.parse_client, signaling.parse_server])
@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=200), st.from_regex(r'\{"type":"[a-z-]{0,12}".*\}')))
def test_anything_is_a_message_or_malformed(parse: object, data: bytes | str) -> None:
    try:
        message = parse(data)  # type: ignore[operator]
    except Malformed:
        return
    assert isinstance(message, signaling.Message)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"type":"unknown"}',
        '{"type":"leave","more":1}',
        '{"type":"join","room":"a","name":""}',
        '{"type":"join","room":"A room","name":"x"}',
        '{"type":"join","room":"a\\n","name":"x"}',
        '{"type":"join","room":"a","name":"x","last_sequence":-1}',
        '{"type":"join","room":"a","name":"x","last_sequence":1e400}',
        '{"type":"pong","number":"1"}',
        '{"type":"joined"}',
        '{"type":"say","client_id":"1","text":"\\ud800"}',
        "[" * 100_000,
        '{"type":"pong","number":1} and more',
    ],
    ids=range(16),
)
def test_what_is_no_message_of_a_client_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        signaling.parse_client(text)


def test_what_is_too_large_is_malformed() -> None:
    for message in (
        signaling.SayChat(client_id="1", text="x" * (signaling.MAXIMUM_CHAT_LENGTH + 1)),
        signaling.DownAnswer(number=1, sdp="x" * 200_001),
        signaling.UpOffer(connection=1, number=1, sdp="", tracks={str(number): "camera" for number in range(17)}),
    ):
        with pytest.raises(Malformed):
            signaling.parse_client(signaling.serialize(message))
    with pytest.raises(Malformed, match="octets"):
        signaling.parse_client(" " * (signaling.MAXIMUM_MESSAGE_SIZE + 1))


def test_every_message_has_a_tag_of_its_own() -> None:
    tags = [kind.__struct_config__.tag for kind in (*FROM_CLIENT, *FROM_SERVER)]
    assert len(set(tags)) == len(tags)
    assert all(isinstance(tag, str) for tag in tags)
    assert json.loads(signaling.serialize(signaling.Leave())) == {"type": "leave"}


@pytest.mark.parametrize(
    "name",
    [
        "Eve\n12:00:00 meetref.meeting Ada left",
        "\x1b[2J",
        "a\rb",
        "\x00",
        "a\x7f",
        "\u202eadA",
        "\u2066x",
        "a\u2028b",
        "",
    ],
)
def test_a_name_cannot_write_lines_or_turn_the_terminal_over(name: str) -> None:
    """Names stand in the log and on other people's screens."""
    octets = json.dumps({"type": "join", "room": "algebra", "name": name})
    with pytest.raises(Malformed, match="name"):
        signaling.parse_client(octets)


@pytest.mark.parametrize(
    "name", ["Ada", "Zo\u00eb", "\u0639\u0645\u0631", "\u674e \u660e", "O'Neill \U0001f600", "A\u200dB"]
)
def test_names_of_all_people(name: str) -> None:
    message = signaling.parse_client(json.dumps({"type": "join", "room": "algebra", "name": name}))
    assert isinstance(message, signaling.Join)
    assert message.name == name
