"""Puts the sealed originals of an access unit into its own SEI. The camera's half of `wire/recovery.md`."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wire import nal, sei
from wire.keys import Recipient, SigningKey, expand
from wire.nal import START_CODE, Codec
from wire.recovery import layout, mask_tables, unit_writer
from wire.recovery.layout import Flag, Mask, Region, Stanza, TrackOriginals
from wire.recovery.mask_tables import MaskTables


@dataclass(frozen=True, slots=True)
class BothOf:
    """Dual control: the content key opens only to both together, the outer's seal first."""

    outer: Recipient
    inner: Recipient


Holder = Recipient | BothOf

_START, _SHARED = 1, 2
# As numbers: enumerations are slow to combine.
_PAYLOAD_IDR, _SHARED_IDR, _PAYLOAD_H265 = int(Flag.PAYLOAD_IDR), int(Flag.SHARED_IDR), int(Flag.PAYLOAD_H265)
_PER_TRACK, _PADDED, _FULL_FRAME = int(Flag.PER_TRACK), int(Flag.PADDED), int(Flag.FULL_FRAME)
# AES-GCM computes 128 bits of tag; the first 96 of them travel.
_TAG_LEFT_OUT = 16 - layout.TAG_BYTES


def union_of(regions: Iterable[Region], columns: int, rows: int) -> Mask:
    """The macroblocks that the boxes cover, (rows, columns) bool."""
    mask = np.zeros((rows, columns), np.bool_)
    for region in regions:
        mask[region.y : region.y + region.h, region.x : region.x + region.w] = True
    return mask


@dataclass(slots=True)
class _Track:
    """An object's key in the group of pictures at hand, and what a reader knows of its macroblocks."""

    name: bytes
    aead: AESGCM
    tables: MaskTables

    @classmethod
    def of(cls, content_key: bytes, track_id: int, nothing: MaskTables) -> "_Track":
        about = track_id.to_bytes(4, "big")
        name = expand(content_key, layout.TRACK_NAME_INFO + about, layout.NAME_BYTES)
        key = expand(content_key, layout.TRACK_KEY_INFO + about, layout.KEY_BYTES)
        return cls(name, AESGCM(key), nothing)


class Writer:
    """One masked stream's recovery data. Stateful and ordered: one thread, every access unit once, in order.

    A fresh random content key is drawn at every IDR and sealed to the recipients of that moment, so a restart never
    repeats a nonce and dropping a recipient takes effect within one group of pictures.

    Args:
        camera_id: 8 bytes.
        codec: of the base stream.
        signer: the device's key, signs one manifest per group of pictures.
        recipients: those that may reveal; with none the originals are sealed to a key that no one holds.
        columns, rows: picture size in macroblocks.
        pad_to: pads the sealed originals to a multiple of so many bytes, which hides activity; 1 does not.
        public_leaves: adds eight bytes per access unit to the manifest, with which any reader, without a key, finds
            the access unit that was altered.
    """

    def __init__(
        self,
        camera_id: bytes,
        codec: Codec,
        signer: SigningKey,
        recipients: Sequence[Holder],
        *,
        columns: int,
        rows: int,
        pad_to: int = 1,
        public_leaves: bool = False,
    ) -> None:
        if len(camera_id) != layout.CAMERA_ID_BYTES:
            raise ValueError(f"a camera identifier has {layout.CAMERA_ID_BYTES} bytes")
        self.recipients: tuple[Holder, ...] = tuple(recipients)
        self._camera_id = camera_id
        self._codec = codec
        self._signer = signer
        self._pad_to = pad_to
        self._public_leaves = public_leaves
        self._nothing = MaskTables.nothing(columns, rows)
        self._told = self._nothing
        self._tracks: dict[int, _Track] = {}
        self._gop_id: int | None = None
        self._seq = 0
        self._index = 0
        self._record: unit_writer.GopRecord | None = None
        self._previous = layout.ZERO_HASH

    def reshape(self, codec: Codec, columns: int, rows: int) -> None:
        """From the next access unit on, which has to be an IDR, the stream is of this codec and size.

        Numbering and the chain of manifests go on, so a reader sees one stream on both sides of the change.
        """
        self._codec = codec
        self._nothing = MaskTables.nothing(columns, rows)

    def protect(
        self,
        base_au: bytes,
        payload_au: bytes,
        *,
        regions: Sequence[Region] = (),
        mask: Mask | None = None,
        pts_90k: int,
        utc_us: int,
        idr: bool,
        payload_idr: bool | None = None,
        payload_codec: Codec = Codec.H264,
        shared_idr: bool = False,
        full_frame: bool = False,
        tracks: Sequence[TrackOriginals] | None = None,
    ) -> bytes:
        """The access unit with one SEI NAL unit in front of its first slice.

        Args:
            base_au: masked picture, Annex B.
            payload_au: the originals, Annex B; empty when nothing is masked.
            mask: (rows, columns) bool; None takes the union of `regions`, or everything when `full_frame`.
            pts_90k: presentation time; written under seal, so that a changed speed shows.
            utc_us: wall clock of the exposure, microseconds since 1970; written in clear, authenticated.
            idr: whether `base_au` starts a group of pictures.
            payload_idr: whether payload decoding can start here; None looks into `payload_au`.
            shared_idr: the payload's decoder starts from this base IDR picture instead of one of its own.
            tracks: objects with payloads of their own, each sealed under its own key; their macroblocks are left to
                them, `payload_au` holds what remains under the mask. None where there is only `payload_au`.

        Raises:
            WireError: `mask` or a region does not fit the picture.
            ValueError: the first access unit is not an IDR, `base_au` has no slice, a payload no start code.
        """
        units: list[bytes] = []
        if idr:
            units += self._start_gop(utc_us, pts_90k)
        if self._gop_id is None or self._record is None:
            raise ValueError("the first access unit has to be an IDR")
        if payload_idr is None:
            payload_idr = shared_idr or nal.is_idr(payload_au, payload_codec)
        rows, columns = self._nothing.rows, self._nothing.columns
        if mask is None:
            mask = np.ones((rows, columns), np.bool_) if full_frame else union_of(regions, columns, rows)
        whole = payload_idr or self._index == 0
        before = self._nothing if whole else self._told
        self._told = before.then(mask, regions)

        flags = (
            payload_idr * _PAYLOAD_IDR
            | shared_idr * _SHARED_IDR
            | (payload_codec is Codec.H265) * _PAYLOAD_H265
            | (tracks is not None) * _PER_TRACK
            | full_frame * _FULL_FRAME
            | (self._pad_to > 1) * _PADDED
        )
        since_us = utc_us - self._utc_us
        drift = unit_writer.drift_90k(since_us, pts_90k - self._pts_90k)
        header = unit_writer.frame_header(flags, self._gop_id, self._index, since_us, drift)
        at, picture = self._first_slice_and_hash(base_au)
        bound = header if tracks is None else header + self._chunks(header, tracks)
        plain = picture[: layout.PICTURE_BYTES] + mask_tables.write(before, self._told, whole=whole)
        unit = bound + self._seal(self._aead, plain, payload_au, bound + self._key_hash)
        units.append(unit)

        self._record.add(picture, unit, masked=self._told.masked)
        self._seq += 1
        self._index += 1
        message = sei.write([sei.UserData(layout.UUID, unit) for unit in units], self._codec)
        return b"".join((base_au[:at], START_CODE, message, base_au[at:]))

    def _seal(self, aead: AESGCM, head: bytes, payload_au: bytes, about: bytes) -> bytes:
        """`head` and payload, padded, under this access unit's number and bound to `about`."""
        plain = head + unit_writer.headless(payload_au)
        plain += bytes(-len(plain) % self._pad_to)
        nonce = self._salt + self._seq.to_bytes(8, "big")
        return aead.encrypt(nonce, plain, self._camera_id + about)[:-_TAG_LEFT_OUT]

    def _chunks(self, header: bytes, tracks: Sequence[TrackOriginals]) -> bytes:
        sealed = []
        for track in tracks:
            known = self._tracks.get(track.track_id)
            if known is None:
                known = self._tracks[track.track_id] = _Track.of(self._content_key, track.track_id, self._nothing)
            before = self._nothing if track.start else known.tables
            known.tables = before.then(track.mask, ())
            head = bytes((track.start * _START | track.shared_idr * _SHARED,))
            head += mask_tables.write(before, known.tables, whole=track.start)
            about = header + self._key_hash + known.name
            sealed.append((known.name, self._seal(known.aead, head, track.payload_au, about)))
        return unit_writer.chunk_list(sealed)

    def _first_slice_and_hash(self, base_au: bytes) -> tuple[int, bytes]:
        first = -1
        slices = []
        for span in nal.spans(base_au):
            unit = base_au[span.start : span.end]
            if self._codec.is_vcl(unit):
                first = span.code if first < 0 else first
                slices.append(unit)
        if first < 0:
            raise ValueError("the access unit has no slice")
        return first, nal.vcl_hash(slices, self._codec)

    def _start_gop(self, utc_us: int, pts_90k: int) -> list[bytes]:
        """The units of a new group of pictures: the manifest of the one before, and the new key unit."""
        units = []
        if self._gop_id is None or self._record is None:
            # Wall clock seconds: a restarted camera goes on above where it was, without keeping state.
            self._gop_id = utc_us // 1_000_000 & 0xFFFFFFFF
        else:
            manifest = self._record.manifest(self._previous, self._signer, listed=self._public_leaves)
            self._previous = hashlib.sha256(manifest).digest()
            units.append(manifest)
            self._gop_id = self._gop_id + 1 & 0xFFFFFFFF
        self._content_key = os.urandom(layout.KEY_BYTES)
        self._aead = AESGCM(self._content_key)
        self._tracks.clear()
        self._salt = os.urandom(4)
        self._utc_us, self._pts_90k = utc_us, pts_90k
        stanzas = [stanza_for(self._content_key, holder, layout.HPKE_INFO) for holder in self.recipients]
        key_unit = unit_writer.key_unit(
            self._gop_id, self._camera_id, self._salt, stanzas, utc_us=utc_us, pts_90k=pts_90k, first_seq=self._seq
        )
        self._key_hash = unit_writer.key_hash(key_unit)
        self._record = unit_writer.GopRecord(self._camera_id, self._gop_id, self._seq, self._key_hash)
        self._index = 0
        return [*units, key_unit]


def stanza_for(content_key: bytes, holder: Holder, info: bytes) -> bytes:
    """The stanza that lets `holder` have the content key; `info` separates its uses."""
    if isinstance(holder, BothOf):
        inner = holder.inner.seal(content_key, info)
        kids = holder.outer.kid, holder.inner.kid
        return unit_writer.stanza(Stanza.BOTH, kids, holder.outer.seal(inner, info))
    return unit_writer.stanza(Stanza.SINGLE, (holder.kid,), holder.seal(content_key, info))
