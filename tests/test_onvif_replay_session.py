"""The replay session's table, row by row, and the same rows asked of a real server."""

import pytest
from test_onvif_replay import Client, box, clip, ended  # noqa: F401  # fixtures among them

from onvif.rtsp.replay_message import METHODS
from onvif.rtsp.replay_session import AFTER, END_OF_RANGE, SESSIONLESS, SessionState, after

IN_SESSION = [name for name in METHODS.split(", ") if name not in SESSIONLESS]


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("method", IN_SESSION)
def test_every_state_answers_every_method(state, method):
    following = after(state, method)
    assert following in set(SessionState) | {454, 455}
    assert (state is SessionState.INIT and method != "SETUP") == (following == 454)


def test_only_a_session_that_plays_comes_to_the_end_of_its_range():
    assert {state for state, event in AFTER if event == END_OF_RANGE} == {SessionState.PLAYING}
    assert after(SessionState.READY, END_OF_RANGE) is SessionState.READY


def test_a_method_of_another_protocol_is_none():
    assert all(after(state, "RECORD") == 405 for state in SessionState)


TRANSPORT = "RTP/AVP/TCP;unicast;interleaved=0-1"


async def status(client, method):
    url = f"{client.url}/video" if method == "SETUP" else client.url
    return (await client.ask(method, url, **({"Transport": TRANSPORT} if method == "SETUP" else {})))[0]


async def bring_to(client, state):
    if state is not SessionState.INIT:
        await client.set_up()
    if state is SessionState.PLAYING:
        assert await status(client, "PLAY") == 200


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("method", IN_SESSION)
async def test_the_server_keeps_to_the_table(box, state, method):  # noqa: F811
    async with Client(box) as client:
        await bring_to(client, state)
        following = after(state, method)
        assert await status(client, method) == (following if isinstance(following, int) else 200)


async def test_at_the_end_of_its_range_a_session_takes_another_track(box):  # noqa: F811
    async with Client(box) as client:
        await client.set_up()
        assert (await client.ask("PLAY", Rate_Control="no"))[0] == 200
        await client.until(0, ended)
        while await status(client, "SETUP") == 455:  # the last packet is sent a moment before the state changes
            await client.ask("GET_PARAMETER")
        assert await status(client, "PLAY") == 200


async def test_a_refused_play_ends_what_played_or_leaves_it(box):  # noqa: F811
    async with Client(box) as client:
        await bring_to(client, SessionState.PLAYING)
        assert (await client.ask("PLAY", Range="smpte=0:0:0-"))[0] == 457
        assert await status(client, "SETUP") == 455
        assert await status(client, "PAUSE") == 200
        assert await status(client, "SETUP") == 200
