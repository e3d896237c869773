"""Opens what `wire/recovery.md` describes, with an identity, and judges it without one.

Total over hostile bytes: whatever comes in, `Reader.open` answers; it never shows originals that it cannot vouch
for, and says why. It shares with the writer NAL, SEI and key handling and
the names in `layout.py`; all else is written twice, from the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidTag

from base.errors import SealError, WireError
from wire import nal, sei
from wire.keys import Identity, verify
from wire.nal import START_CODE, Codec
from wire.recovery import layout, tables, unit_reader
from wire.recovery.epoch import StreamEpochs
from wire.recovery.group import OpenedGop, TrackKey, decrypt, first_opened, unsealed
from wire.recovery.layout import Flag, Mask, Region, TrackOriginals
from wire.recovery.tables import Tables
from wire.recovery.unit_reader import FrameHeader, FrameUnit, GopManifest, KeyUnit, Unit
from wire.recovery.verdict import Check, GopVerdict, UnitVerdict

NO_RECOVERY_DATA = "recovery data missing or removed"
NOT_A_RECIPIENT = "sealed to other keys"
WAITING = "an access unit was lost: waiting for the next point where the originals can start"
NO_KEY_UNIT = "the key unit of this group of pictures is missing"
NOT_AUTHENTIC = "sealed originals do not authenticate"
BASE_ALTERED = "the masked picture was altered after it was protected"
LATE = "access unit repeated or late"
STREAM_RESTARTED = "the camera was restarted, or a part is missing: this number may be another person's here"
OTHER_CAMERA = "the recovery data is another camera's"
OTHERS_ONLY = "nothing here is sealed to this key: the person is not in the picture"

_START, _SHARED = 1, 2


@dataclass(frozen=True, slots=True)
class OpenedUnit:
    """One access unit's originals, or why there are none.

    `payload_au` is None where the mosaic has to be shown; empty when it holds nothing. `mask` is (rows, columns) bool
    in macroblocks: only there may originals replace the base's samples. Where objects have payloads of their own
    (`tracks`), the common payload is for what remains. A holder of keys of single objects only gets their `tracks`, no
    `mask` and an empty `payload_au`.
    """

    payload_au: bytes | None
    regions: tuple[Region, ...]
    verdict: UnitVerdict
    reason: str
    mask: Mask | None = None
    header: FrameHeader | None = None
    pts_90k: int | None = None
    utc_us: int | None = None
    tracks: tuple[TrackOriginals, ...] = ()

    @property
    def payload_idr(self) -> bool:
        return self.header is not None and Flag.PAYLOAD_IDR in self.header.flags

    @property
    def shared_idr(self) -> bool:
        return self.header is not None and Flag.SHARED_IDR in self.header.flags

    @property
    def payload_codec(self) -> Codec:
        h265 = self.header is not None and Flag.PAYLOAD_H265 in self.header.flags
        return Codec.H265 if h265 else Codec.H264


class Reader:
    """Follows one stream in order. One thread; a new Reader, or simply the next IDR, after a jump.

    Args:
        identities: private keys that may open it; none is allowed and gives the public verdicts only.
        codec: of the base stream.
        signing_key: the camera's Ed25519 public key; without it origin stays unknown.
        camera_id: the camera's; what another camera sealed is not opened, whatever sends it. None opens any camera's.
        held: content keys by key_hash, from a legal hold, where no identity opens the stream itself any more.
        granted: keys of single objects by key_hash: name, track_id and key of each.
    """

    def __init__(
        self,
        identities: Sequence[Identity],
        codec: Codec,
        signing_key: bytes | None = None,
        *,
        camera_id: bytes | None = None,
        held: Mapping[bytes, bytes] | None = None,
        granted: Mapping[bytes, Sequence[TrackKey]] | None = None,
    ) -> None:
        self._held = held or {}
        self._granted = granted or {}
        self._identities = {identity.kid: identity for identity in identities}
        self._codec = codec
        self._signing_key = signing_key
        self._camera_id = camera_id
        self._gop: OpenedGop | None = None
        self._tables: Tables | None = None
        self._track_tables: dict[int, Tables] = {}
        self._last: tuple[int, int] | None = None
        self._unplaced = 0
        self._previous_manifest: bytes | None = None
        self._origin = Check.UNKNOWN
        self._finished: list[GopVerdict] = []
        self._parts = StreamEpochs()

    def open(self, au: bytes) -> OpenedUnit:
        """The originals of one access unit in Annex B; never raises for what the bytes say."""
        nals = nal.split(au)
        try:
            found = self._units(nals)
        except WireError as error:
            return self._refuse(f"recovery data unreadable: {error}", authentic=Check.NO)
        frames = [unit for unit in found if isinstance(unit, FrameUnit)]
        manifest = None
        for unit in found:
            if isinstance(unit, GopManifest):
                manifest = unit
                self._judge(unit)
            elif isinstance(unit, KeyUnit):
                self._parts.begin(unit, manifest, impostor=manifest is not None and self._origin is Check.NO)
                self._start(unit)
        if not frames:
            return self._refuse(NO_RECOVERY_DATA)
        if len(frames) > 1:
            return self._refuse("more than one frame unit in an access unit", authentic=Check.NO)
        return self._open_frame(frames[0], nal.vcl_hash(nals, self._codec))

    @property
    def part(self) -> int:
        """In which part of the stream the group of pictures at hand lies, from 1: track numbers hold within one."""
        return self._parts.number

    @property
    def content_key(self) -> tuple[bytes, bytes] | None:
        """key_hash and content key of the group of pictures at hand, for a legal hold; None when it is not open."""
        if self._gop is None or self._gop.key is None:
            return None
        return self._gop.unit.hash, self._gop.key

    def take_verdicts(self) -> list[GopVerdict]:
        """Groups of pictures that ended since the last call."""
        finished, self._finished = self._finished, []
        return finished

    def finish(self) -> list[GopVerdict]:
        """End of stream: the last group has no manifest yet, its origin stays unknown."""
        self._close(None)
        return self.take_verdicts()

    def _units(self, nals: list[bytes]) -> list[Unit]:
        messages = [m for unit in nals if self._codec.is_sei(unit) for m in self._user_data(unit)]
        return [unit_reader.parse(m.payload) for m in messages if m.uuid == layout.UUID]

    def _user_data(self, unit: bytes) -> list[sei.UserData]:
        try:
            return list(sei.read(unit, self._codec))
        except WireError:
            # A broken SEI without our identifier is not ours.
            if layout.UUID in nal.unescape(unit):
                raise
            return []

    def _refuse(
        self,
        reason: str,
        *,
        authentic: Check = Check.UNKNOWN,
        complete: Check = Check.NO,
        header: FrameHeader | None = None,
    ) -> OpenedUnit:
        """The mosaic; and since the payload is predicted from picture to picture, the mosaic from here on."""
        self._forget_tables()
        if self._gop is not None:
            self._gop.gap |= complete is Check.NO
            self._gop.unauthentic += authentic is Check.NO
        return OpenedUnit(
            None, (), UnitVerdict(authentic, Check.UNKNOWN, complete, self._origin), reason, header=header
        )

    def _forget_tables(self) -> None:
        self._tables = None
        self._track_tables.clear()

    def _start(self, unit: KeyUnit) -> None:
        self._close(None)
        foreign = self._foreign(unit.camera_id)
        self._gop = OpenedGop(unit, None if foreign else self._content_key(unit))
        for track_key in () if foreign else self._granted.get(unit.hash, ()):
            self._gop.know(track_key)
        self._forget_tables()

    def _foreign(self, camera_id: bytes) -> bool:
        return self._camera_id is not None and camera_id != self._camera_id

    def _content_key(self, unit: KeyUnit) -> bytes | None:
        held_key = self._held.get(unit.hash)
        if held_key is not None:
            return held_key
        return unsealed(unit.stanzas, self._identities, layout.HPKE_INFO)

    def _open_frame(self, unit: FrameUnit, picture: bytes) -> OpenedUnit:
        header, gop = unit.header, self._gop
        if gop is None or header.gop != gop.unit.gop_id & 0xFF:
            self._unplaced += 1
            return self._refuse(NO_KEY_UNIT)
        utc_us = gop.unit.utc_us + header.since_us
        seq = gop.unit.first_seq + header.index
        complete, why = self._follow(seq, utc_us)
        if why == LATE:
            return self._refuse(LATE)
        gop.leaves.append(unit_reader.frame_leaf(picture, unit))
        gop.seen += 1
        pts_90k = (gop.unit.pts_90k + header.since_us * 9 // 100 + header.drift_90k) % 2**32
        reason = OTHER_CAMERA if self._foreign(gop.unit.camera_id) else NOT_A_RECIPIENT
        opened = OpenedUnit(
            None, (), UnitVerdict(complete=complete, origin=self._origin), reason,
            header=header, pts_90k=pts_90k, utc_us=utc_us,
        )  # fmt: skip
        nonce = gop.unit.salt + seq.to_bytes(8, "big")
        try:
            if gop.key is None:
                return self._open_granted(gop, unit, nonce, opened)
            about = gop.unit.camera_id + unit.bound + gop.unit.hash
            plain = decrypt(gop.key, nonce, unit.sealed, about)
            intact = plain[: layout.PICTURE_BYTES] == picture[: layout.PICTURE_BYTES]
            if not intact:
                gop.altered.append(header.index)
            opened = replace(
                opened,
                verdict=UnitVerdict(Check.YES, Check.of(intact), complete, self._origin),
                reason=why if intact else BASE_ALTERED,
            )
            return self._payload(gop, unit, nonce, plain[layout.PICTURE_BYTES :], opened)
        except InvalidTag:
            return self._refuse(NOT_AUTHENTIC, authentic=Check.NO, complete=complete, header=header)

    def _payload(self, gop: OpenedGop, unit: FrameUnit, nonce: bytes, body: bytes, opened: OpenedUnit) -> OpenedUnit:
        whole = Flag.PAYLOAD_IDR in unit.header.flags or unit.header.index == 0
        if not whole and self._tables is None:
            return replace(opened, reason=WAITING)
        try:
            following, size = tables.decode(None if whole else self._tables, body)
            for region in following.regions if unit.chunks else ():
                gop.derive(region.track_id)
            tracks, waiting = self._open_chunks(gop, unit, nonce)
        except WireError as error:
            # It authenticates, so the camera wrote it: a fault of the writer, not of the road.
            self._forget_tables()
            return replace(opened, reason=f"tables unreadable: {error}")
        self._tables = following
        if waiting:
            return replace(opened, reason=WAITING)
        payload_au = _with_start_code(body[size:])
        return replace(opened, payload_au=payload_au, regions=following.regions, mask=following.mask, tracks=tracks)

    def _open_granted(self, gop: OpenedGop, unit: FrameUnit, nonce: bytes, opened: OpenedUnit) -> OpenedUnit:
        """What a holder of keys of single objects sees without the content key."""
        if not gop.track_keys:
            return opened
        verdict = replace(opened.verdict, authentic=Check.YES)
        try:
            tracks, waiting = self._open_chunks(gop, unit, nonce)
        except WireError as error:
            self._track_tables.clear()
            return replace(opened, verdict=verdict, reason=f"tables unreadable: {error}")
        if not tracks:
            return replace(opened, reason=WAITING if waiting else OTHERS_ONLY)
        return replace(opened, payload_au=b"", verdict=verdict, reason="", tracks=tracks)

    def _open_chunks(self, gop: OpenedGop, unit: FrameUnit, nonce: bytes) -> tuple[tuple[TrackOriginals, ...], bool]:
        """The objects whose keys are known, and whether one of them has to wait for its next start.

        Raises:
            InvalidTag: a chunk under a name that is known opens to none of its keys.
            WireError: its tables do not decode.
        """
        tracks = []
        waiting = False
        about = gop.unit.camera_id + unit.head + gop.unit.hash
        for chunk in unit.chunks:
            if chunk.name not in gop.track_keys:
                continue
            track_id, plain = first_opened(gop.track_keys[chunk.name], nonce, chunk.sealed, about + chunk.name)
            if not plain:
                raise WireError("an empty chunk")
            start = bool(plain[0] & _START)
            before = None if start else self._track_tables.get(track_id)
            if before is None and not start:
                waiting = True
                continue
            own, size = tables.decode(before, plain[1:])
            self._track_tables[track_id] = own
            payload_au = _with_start_code(plain[1 + size :])
            tracks.append(TrackOriginals(track_id, payload_au, own.mask, start, bool(plain[0] & _SHARED)))
        return tuple(tracks), waiting

    def _follow(self, seq: int, utc_us: int) -> tuple[Check, str]:
        """Whether this access unit follows the last one; a gap ends prediction until the payload's next start."""
        last, self._last = self._last, (seq, utc_us)
        unplaced, self._unplaced = self._unplaced, 0
        if last is None:
            return Check.UNKNOWN, ""
        if seq == last[0] + 1:
            return Check.YES, "the camera's clock was set back" if utc_us < last[1] else ""
        if self._gop is not None and self._gop.seen and seq <= last[0]:
            self._last = last
            return Check.NO, LATE
        self._forget_tables()
        if self._gop is not None:
            self._gop.gap = True
        lost = seq - last[0] - 1 - unplaced
        return Check.NO, f"{lost} access units lost" if lost > 0 else "the camera was restarted, or the stream jumped"

    def _judge(self, manifest: GopManifest) -> None:
        """Close the group of pictures that `manifest` speaks about."""
        if self._gop is None or manifest.gop_id != self._gop.unit.gop_id:
            self._previous_manifest = manifest.hash
            return
        self._close(manifest)

    def _close(self, manifest: GopManifest | None) -> None:
        gop, self._gop = self._gop, None
        if gop is None:
            return
        origin, reason = self._origin_of(manifest, gop.unit.camera_id)
        finished = gop.judged(manifest, origin, reason)
        self._origin = finished.verdict.origin
        self._finished.append(finished)

    def _origin_of(self, manifest: GopManifest | None, camera_id: bytes) -> tuple[Check, str]:
        if self._foreign(camera_id):
            self._previous_manifest = None if manifest is None else manifest.hash
            return Check.NO, OTHER_CAMERA
        if manifest is None:
            self._previous_manifest = None
            return Check.UNKNOWN, "no manifest yet"
        before, self._previous_manifest = self._previous_manifest, manifest.hash
        if self._signing_key is None:
            return Check.UNKNOWN, "the camera's signing key is not known"
        try:
            verify(self._signing_key, manifest.signature, layout.MANIFEST_CONTEXT + manifest.signed)
        except SealError as error:
            return Check.NO, f"manifest: {error}"
        if manifest.camera_id != camera_id:
            return Check.NO, "the manifest is another camera's"
        if before is not None and manifest.previous != before:
            return Check.NO, "the chain of manifests is broken"
        return Check.YES, ""


def _with_start_code(payload: bytes) -> bytes:
    """An Annex B access unit out of one without its first start code, padding taken off."""
    payload = payload.rstrip(b"\x00")
    return START_CODE + payload if payload else b""
