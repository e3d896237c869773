"""Setting a running encoder to something else, seen by viewers: `make bench-change [SECONDS=10]`.

A real camera with the demo clip at its whole size; each change goes through ONVIF. `to_first_idr_s` counts from the
moment the request is sent until the first IDR picture of the new size is with a viewer that stayed connected; where the
codec changes it has to ask again, so that counts until the picture of its new session. `other_lost` is how many
pictures of the other encoder's stream are missing for its viewer meanwhile, out of gaps in the time stamps, so that
pictures the camera had to drop count as well. `held_of_rate` is what arrives of the promised rate with every encoder
at its largest and fastest at once, `cores` what the whole camera would need of this machine to hold it: CPU seconds
for each picture that arrived times the promised rate, which a busy machine does not change.
"""

import asyncio
import itertools
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import av

from bench.report import report
from onvif.names import TR2
from onvif.registry import load
from onvif.soap_transport import SoapTransport
from tests.camera_process import camera_process

SECONDS = float(os.environ.get("SECONDS", "10"))
WINDOW = (0, 0, 768, 576)
PATIENCE_S = 60


class Viewer:
    """Watches one stream; what arrived and when."""

    def __init__(self, camera, token):
        uri = f"rtsp://{camera.user}:{camera.password}@127.0.0.1:{camera.rtsp}/{token}"
        options = {"rtsp_transport": "tcp", "allowed_media_types": "video", "analyzeduration": "300000"}
        self.container = av.open(uri, options=options, timeout=PATIENCE_S)
        self.stream = self.container.streams.video[0]
        self.arrived, self.ended_s = [], None
        self.changed = threading.Condition()
        self.closing = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            for packet in self.container.demux(self.stream):
                sizes = [(frame.width, frame.height) for frame in packet.decode()]
                with self.changed:
                    if packet.size:
                        at_s = None if packet.pts is None else float(packet.pts * packet.time_base)
                        size = sizes[-1] if sizes else None
                        self.arrived.append((time.monotonic(), at_s, packet.is_keyframe, size))
                    self.changed.notify_all()
                    if self.closing:
                        return
        except (av.FFmpegError, OSError):
            pass
        finally:
            with self.changed:
                self.ended_s = time.monotonic()
                self.changed.notify_all()

    def until(self, test):
        with self.changed:
            assert self.changed.wait_for(lambda: test(self), PATIENCE_S), "it did not come"

    def first_idr_s(self, size):
        """When the first IDR picture of that size arrived."""

        def found(viewer):
            return next((each for each in viewer.arrived if each[2] and each[3] == size), None)

        self.until(found)
        return found(self)[0]

    def missing(self, rate):
        """Pictures that are not there, out of gaps in the time stamps."""
        times = [at_s for _, at_s, _, _ in self.arrived if at_s is not None]
        return sum(round((after - before) * rate) - 1 for before, after in itertools.pairwise(times))

    def close(self):
        self.closing = True
        self.thread.join(PATIENCE_S)
        self.container.close()


async def ask(camera, operation, **values):
    found = load().operation(TR2, operation)
    carrier = SoapTransport(camera.user, camera.password, timeout_s=PATIENCE_S)
    try:
        url = f"http://127.0.0.1:{camera.web}/onvif/media2"
        return found.decode_reply(await carrier.request(url, found.encode_request(values)))
    finally:
        await carrier.close()


def media2(camera, operation, **values):
    return asyncio.run(ask(camera, operation, **values))


def change(camera, token, encoding, which):
    """Set an encoder to the size number `which` of its options; (when it was asked, when answered, size, rate)."""
    now = media2(camera, "GetVideoEncoderConfigurations", ConfigurationToken=token).Configurations[0]
    offered = media2(camera, "GetVideoEncoderConfigurationOptions", ConfigurationToken=token).Options
    option = next(one for one in offered if one.Encoding == encoding)
    size = option.ResolutionsAvailable[which]
    rate = max(option.FrameRatesSupported)
    wanted = {
        "token": token, "Name": now.Name, "UseCount": 0, "Encoding": encoding, "Quality": now.Quality,
        "Resolution": {"Width": size.Width, "Height": size.Height},
        "RateControl": {"FrameRateLimit": rate, "BitrateLimit": option.BitrateRange.Max},
    }  # fmt: skip
    asked_s = time.monotonic()
    media2(camera, "SetVideoEncoderConfiguration", Configuration=wanted)
    return asked_s, time.monotonic(), (size.Width, size.Height), rate


def stay(camera, token, encoding, which, other):
    """A change that viewers stay through; (seconds to the answer, to the first IDR picture, lost by the other)."""
    rate = change(camera, token, encoding, 0)[3]
    viewer, beside = Viewer(camera, token), Viewer(camera, other)
    viewer.until(lambda one: len(one.arrived) > rate)
    asked_s, answered_s, size, _ = change(camera, token, encoding, which)
    first_s = viewer.first_idr_s(size)
    beside.until(lambda one: one.arrived and one.arrived[-1][0] > first_s + 1)
    for one in (viewer, beside):
        one.close()
    other_rate = media2(camera, "GetVideoEncoderConfigurations", ConfigurationToken=other).Configurations[0]
    return answered_s - asked_s, first_s - asked_s, beside.missing(other_rate.RateControl.FrameRateLimit)


def ask_again(camera, token, before, after, other):
    """A change of codec; the same, and the seconds until the old session was ended."""
    change(camera, token, before, 0)
    viewer, beside = Viewer(camera, token), Viewer(camera, other)
    viewer.until(lambda one: len(one.arrived) > 10)
    asked_s, answered_s, size, _ = change(camera, token, after, 0)
    viewer.until(lambda one: one.ended_s is not None)
    fresh = Viewer(camera, token)
    first_s = fresh.first_idr_s(size)
    beside.until(lambda one: one.arrived and one.arrived[-1][0] > first_s + 1)
    for one in (viewer, fresh, beside):
        one.close()
    other_rate = media2(camera, "GetVideoEncoderConfigurations", ConfigurationToken=other).Configurations[0]
    lost = beside.missing(other_rate.RateControl.FrameRateLimit)
    return answered_s - asked_s, first_s - asked_s, lost, viewer.ended_s - asked_s


def cpu_s(pid):
    """CPU seconds that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def held(camera, encoding):
    """With as many encoders as are promised at once, each at its largest and fastest.

    Returns:
        The promised rate of the main stream, the least share of its rate that a stream holds, and the cores that the
        camera needs to hold them all.
    """
    info = media2(camera, "GetVideoEncoderInstances", ConfigurationToken="source").Info
    count = next((one.Number for one in info.Codec if one.Encoding == encoding), 0)
    able = ("main", "sub")[-count:]
    rates = {token: change(camera, token, encoding, 0)[3] for token in able}
    viewers = {token: Viewer(camera, token) for token in rates}
    for token, viewer in viewers.items():
        viewer.until(lambda one, rate=rates[token]: len(one.arrived) > rate)
    begun = {token: len(viewer.arrived) for token, viewer in viewers.items()}
    began_s, spent_s = time.monotonic(), cpu_s(camera.pid)
    for viewer in viewers.values():
        viewer.until(lambda one: one.arrived[-1][0] > began_s + SECONDS)
    spent_s = cpu_s(camera.pid) - spent_s
    cores = max(spent_s / (len(viewer.arrived) - begun[token]) * rates[token] for token, viewer in viewers.items())
    share = min(
        (len(viewer.arrived) - begun[token]) / (viewer.arrived[-1][0] - began_s) / rates[token]
        for token, viewer in viewers.items()
    )
    for viewer in viewers.values():
        viewer.close()
    return rates[able[0]], share, cores


def main():
    figures, rows = {}, [("change", "answer s", "first IDR s", "other lost", "old session ended s")]
    with tempfile.TemporaryDirectory() as folder, camera_process(Path(folder), window=WINDOW) as camera:
        lost = 0
        for name, token, encoding, other in (
            ("H264 smaller", "main", "H264", "sub"), ("H265 smaller", "main", "H265", "sub"),
            ("sub H264 smaller", "sub", "H264", "main"),
        ):  # fmt: skip
            runs = [stay(camera, token, encoding, which, other) for which in (1, 2, -1)]
            answer_s, first_s = (statistics.median(run[at] for run in runs) for at in (0, 1))
            lost += sum(run[2] for run in runs)
            rows.append((name, answer_s, first_s, sum(run[2] for run in runs), ""))
            figures[f"to_first_idr_s_{name.replace(' ', '_').lower()}"] = round(first_s, 3)
        for token, before, after, other in (("main", "H264", "H265", "sub"), ("main", "H265", "H264", "sub"),
                                            ("sub", "H264", "JPEG", "main")):  # fmt: skip
            answer_s, first_s, missing, ended_s = ask_again(camera, token, before, after, other)
            lost += missing
            rows.append((f"{token} {before} to {after}", answer_s, first_s, missing, ended_s))
            figures[f"to_first_idr_s_{token}_{before}_to_{after}".lower()] = round(first_s, 3)
        figures["other_lost"] = lost
        for encoding in ("H264", "H265"):
            promised, share, cores = held(camera, encoding)
            load = f"{share:.3f} of the rate, {cores:.2f} cores"
            rows.append((f"all {encoding} at once, main {promised:g} fps", "", "", "", load))
            figures[f"cores_{encoding.lower()}"] = round(cores, 3)
            figures[f"held_of_rate_{encoding.lower()}"] = round(share, 4)
            figures[f"promised_fps_{encoding.lower()}"] = promised
    report("change", {"clip": "vtest, 768x576 at 10 fps", "seconds": SECONDS}, figures, rows)


if __name__ == "__main__":
    main()
