"""GStreamer's RTSP client, in a process of its own: `python rtspsrc.py JSON` plays until so much has come.

`gst-launch-1.0` will not do. Two tracks that appear at once, each in a thread of its own, now and then leave it with
neither of them linked; and it ends by PAUSE with the TEARDOWN at its heels, which cuts off the PAUSE and is an error
to it. Here tracks are linked one after the other, and what counts is what came.
"""

import json
import subprocess
import sys
import threading

DECODE = "rtph264depay ! h264parse ! avdec_h264 ! fakesink"


def received(location, user, password, protocols, chain=DECODE, *, buffers=10, prefix=()):
    """Play an address's video into a chain of elements until its last one is handed so many buffers; or fail.

    Args:
        location: of rtspsrc: rtsp, rtsps, or GStreamer's own names of the HTTP tunnels, rtsph and rtspsh.
        protocols: its word for the lower transport: `udp`, `tcp`, `tcp+http`, `udp-mcast`, …
        prefix: a command that runs the client elsewhere.
    """
    source = {"location": location, "user-id": user, "user-pw": password, "protocols": protocols,
              "tls-validation-flags": "0"}  # fmt: skip
    wish = json.dumps([source, chain, buffers])
    done = subprocess.run([*prefix, sys.executable, __file__, wish], timeout=120, check=False, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def play(properties, chain, buffers):
    """What went wrong before enough had come; nothing when it has come."""
    import gi  # here, for the tests' own process takes it through the product's door

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    pipeline = Gst.Pipeline.new()
    source = Gst.ElementFactory.make("rtspsrc")
    pipeline.add(source)
    for name, value in properties.items():
        Gst.util_set_object_arg(source, name, value)
    lock, left = threading.Lock(), [buffers]

    def came(_pad, _info):
        left[0] -= 1
        if left[0] == 0:
            pipeline.post_message(Gst.Message.new_application(pipeline, Gst.Structure.new_empty("enough")))
        return Gst.PadProbeReturn.OK

    def link(_source, pad):
        with lock:
            # As text: gst-python 1.26 wraps structures, 1.22 does not.
            video = "media=(string)video" in (pad.get_current_caps() or pad.query_caps()).to_string()
            into = Gst.parse_bin_from_description(chain if video else "fakesink", True)
            pipeline.add(into)
            if video:
                last = next(element for element in into.iterate_sinks())
                last.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, came)
            into.sync_state_with_parent()
            pad.link(into.get_static_pad("sink"))

    source.connect("pad-added", link)
    pipeline.set_state(Gst.State.PLAYING)
    kinds = Gst.MessageType.APPLICATION | Gst.MessageType.ERROR | Gst.MessageType.EOS
    message = pipeline.get_bus().timed_pop_filtered(100 * Gst.SECOND, kinds)
    pipeline.set_state(Gst.State.NULL)
    if message is None or message.type == Gst.MessageType.EOS:
        return f"{left[0]} of {buffers} buffers had not come at the end"
    return "" if message.type == Gst.MessageType.APPLICATION else "\n".join(map(str, message.parse_error()))


if __name__ == "__main__":
    sys.exit(play(*json.loads(sys.argv[1])) or None)
