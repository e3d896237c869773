"""What a stream's library says, in words for the reader of the page, with the next step."""

_CHECK = "check its power and its cable"
# The first that is found in what libavformat or the system says; the order matters where one holds another.
_WORDS = (
    ("Immediate exit requested", f"no picture for some seconds; {_CHECK}"),
    ("401 Unauthorized", "the camera refuses the user or the password; enter the ones it has now"),
    ("403 Forbidden", "the camera lets this user see no stream; give the user the right to it on the camera"),
    ("404 Not Found", "the camera has no such stream any more; look at its profiles and add it again"),
    ("Server returned 4", "the camera refuses the stream; look at its profiles and add it again"),
    ("Server returned 5", "the camera has a fault of its own; restart it if this stays"),
    ("Connection refused", "nothing answers at its stream's port; it may be restarting, else look at its port"),
    ("Connection reset", f"the camera broke the connection; it may be restarting, else {_CHECK}"),
    ("Broken pipe", f"the camera broke the connection; it may be restarting, else {_CHECK}"),
    ("Connection timed out", f"it does not answer; {_CHECK}"),
    ("No route to host", f"it cannot be reached; {_CHECK}, and its address"),
    ("Network is unreachable", "the box has no network to it; check the box's own cable and address"),
    ("Name or service not known", "its name is not known in the network; add it by its address"),
    ("End of file", "the camera ended the stream; it may be restarting, or have too many viewers"),
    ("Invalid data found", "it sends something else than video; look at its stream's settings"),
    ("Protocol not found", "its stream's address is of a kind that the box does not open"),
    ("Option not found", "its stream's address is of a kind that the box does not open"),
)


def plain(said: str) -> str:
    """`said` by the library in plain words; what is not known is named as such, without the library's own words."""
    fallback = f"the stream fails; restart the camera, or {_CHECK}"
    return next((words for known, words in _WORDS if known in said), fallback)
