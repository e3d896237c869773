"""The states of a replay session, as RFC 2326 A.2 draws them: one table, no I/O.

| state | SETUP | PLAY | PAUSE | TEARDOWN | ... of a parameter | the range is over |
|---|---|---|---|---|---|---|
| INIT    | READY | 454     | 454   | 454  | 454   | -     |
| READY   | READY | PLAYING | READY | INIT | stays | -     |
| PLAYING | 455   | PLAYING | READY | INIT | stays | READY |

A request that names another session than this connection's is refused with 454 in every state. OPTIONS and DESCRIBE
belong to no session.
"""

from enum import Enum


class SessionState(Enum):
    """Where a session stands."""

    INIT = "no track is set up"
    READY = "tracks are set up, nothing is sent"
    PLAYING = "samples are being sent"


END_OF_RANGE = "end of range"
SESSIONLESS = frozenset({"OPTIONS", "DESCRIBE"})

_INIT, _READY, _PLAYING = SessionState.INIT, SessionState.READY, SessionState.PLAYING
_NO_SESSION, _NOT_NOW = 454, 455

AFTER: dict[tuple[SessionState, str], SessionState | int] = {
    (_INIT, "SETUP"): _READY,
    (_INIT, "PLAY"): _NO_SESSION,
    (_INIT, "PAUSE"): _NO_SESSION,
    (_INIT, "TEARDOWN"): _NO_SESSION,
    (_INIT, "GET_PARAMETER"): _NO_SESSION,
    (_INIT, "SET_PARAMETER"): _NO_SESSION,
    (_READY, "SETUP"): _READY,
    (_READY, "PLAY"): _PLAYING,
    (_READY, "PAUSE"): _READY,
    (_READY, "TEARDOWN"): _INIT,
    (_READY, "GET_PARAMETER"): _READY,
    (_READY, "SET_PARAMETER"): _READY,
    (_PLAYING, "SETUP"): _NOT_NOW,
    (_PLAYING, "PLAY"): _PLAYING,
    (_PLAYING, "PAUSE"): _READY,
    (_PLAYING, "TEARDOWN"): _INIT,
    (_PLAYING, "GET_PARAMETER"): _PLAYING,
    (_PLAYING, "SET_PARAMETER"): _PLAYING,
    (_PLAYING, END_OF_RANGE): _READY,
}


def after(state: SessionState, event: str) -> SessionState | int:
    """The state that follows, or the RTSP status that refuses; 405 for a method that no state knows."""
    return AFTER.get((state, event), 405 if event != END_OF_RANGE else state)
