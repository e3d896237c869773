"""The main stream: both encoders and the writer of recovery data behind one call."""

from collections.abc import Sequence
from fractions import Fraction

from firmware.encode.access_unit import AccessUnit
from firmware.encode.picture_encoder import I420
from firmware.encode.recoverable import RecoverableEncoder
from firmware.encode.settings import EncoderSettings
from wire.keys import SigningKey
from wire.recovery.layout import MACROBLOCK, Mask, Region
from wire.recovery.writer import Holder, Writer


class ProtectedEncoder:
    """Masked and clear picture in, recoverable access unit out. One thread at a time.

    Args:
        width, height: pixels, multiples of 16.
        rate: pictures per second.
        camera_id: 8 bytes.
        signer: the device's key.
        recipients: those that may reveal.
    """

    def __init__(
        self,
        width: int,
        height: int,
        rate: Fraction,
        settings: EncoderSettings,
        *,
        camera_id: bytes,
        signer: SigningKey,
        recipients: Sequence[Holder] = (),
    ) -> None:
        self._encoder = RecoverableEncoder(width, height, rate, settings)
        self._writer = Writer(
            camera_id, settings.base, signer, recipients, columns=width // MACROBLOCK, rows=height // MACROBLOCK
        )

    @property
    def settings(self) -> EncoderSettings:
        """In force."""
        return self._encoder.settings

    def set_recipients(self, recipients: Sequence[Holder]) -> None:
        """The recipients from the next IDR on. Any thread."""
        self._writer.recipients = tuple(recipients)

    def replace(self, encoder: RecoverableEncoder) -> None:
        """Encode the next picture, which becomes an IDR, with this encoder: of another size, rate or codec.

        The stream of recovery data goes on: its numbering and its chain of manifests are not broken.
        """
        before, self._encoder = self._encoder, encoder
        before.close()
        columns, rows = encoder.width // MACROBLOCK, encoder.height // MACROBLOCK
        self._writer.reshape(encoder.settings.base, columns, rows)

    def encode(
        self,
        masked: I420,
        clear: I420,
        mask: Mask,
        regions: Sequence[Region],
        *,
        pts_90k: int,
        utc_us: int,
        idr: bool,
        full_frame: bool = False,
        claims: Sequence[Region] = (),
    ) -> AccessUnit:
        """Encode and seal one picture; arguments as `RecoverableEncoder.encode` and `Writer.protect`.

        Args:
            claims: what may be a person that no track follows, of track 0: no person's own payload shows it.
        """
        coded = self._encoder.encode(masked, clear, mask, (*regions, *claims), force_idr=idr)
        data = self._writer.protect(
            coded.base_au, coded.payload_au, mask=mask, regions=regions, pts_90k=pts_90k, utc_us=utc_us,
            idr=coded.idr, payload_idr=coded.payload_idr, payload_codec=coded.payload_codec,
            shared_idr=coded.shared_idr, full_frame=full_frame, tracks=coded.tracks,
        )  # fmt: skip
        return AccessUnit(data, pts_90k, utc_us, coded.idr, self._encoder.settings.base.name)

    def close(self) -> None:
        self._encoder.close()
