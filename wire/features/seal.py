"""A feature packet on the road: sealed to the box's key, signed by the camera's. See `wire/features.md`, "Sealing"."""

from base.errors import Truncated, Unsupported, WireError
from wire.features.packet import MAX_BYTES, FeaturePacket, parse
from wire.keys import KID_BYTES, SIGNATURE_BYTES, Identity, Recipient, SigningKey, verify

MAGIC = b"VS"
VERSION = 1
CAMERA_ID_BYTES = 8
HEAD_BYTES = len(MAGIC) + 2 + CAMERA_ID_BYTES + KID_BYTES
_INFO = b"veilcam features 1 packet"
_CONTEXT = b"veilcam features 1 signature"


def seal(packet: FeaturePacket, box_key: Recipient, signer: SigningKey) -> bytes:
    """The packet, readable only with the box's identity and provably this camera's."""
    head = MAGIC + bytes((VERSION, 0)) + packet.camera_id + box_key.kid
    sealed = head + box_key.seal(bytes(packet), _INFO + head)
    return sealed + signer.sign(_CONTEXT + sealed)


def camera_of(blob: bytes) -> bytes:
    """Whose packet it claims to be, so that the right signing key can be found; not yet verified.

    Raises:
        WireError: not a sealed packet.
    """
    _check(blob)
    return blob[4 : 4 + CAMERA_ID_BYTES]


def open_sealed(blob: bytes, identity: Identity, signing_key: bytes) -> FeaturePacket:
    """Verify, open and read a sealed packet.

    Args:
        signing_key: the camera's Ed25519 public key, 32 bytes.

    Raises:
        SealError: not signed by this camera, sealed to another box, or altered.
        WireError: the bytes are not a sealed packet, or what was sealed is not a packet of that camera.
    """
    _check(blob)
    signed, signature = blob[:-SIGNATURE_BYTES], blob[-SIGNATURE_BYTES:]
    verify(signing_key, signature, _CONTEXT + signed)
    head = blob[:HEAD_BYTES]
    packet = parse(identity.open(signed[HEAD_BYTES:], _INFO + head))
    if packet.camera_id != camera_of(blob):
        raise WireError("the packet inside is another camera's", at=4)
    return packet


def _check(blob: bytes) -> None:
    if len(blob) < HEAD_BYTES + SIGNATURE_BYTES:
        raise Truncated("sealed packet", at=len(blob))
    if blob[:2] != MAGIC:
        raise WireError("not a sealed packet", at=0)
    if blob[2:4] != bytes((VERSION, 0)):
        raise Unsupported(f"sealed packet of version {blob[2]}.{blob[3]}, this program speaks {VERSION}.0", at=2)
    if len(blob) > 2 * MAX_BYTES:
        raise WireError(f"sealed packet of {len(blob)} bytes", at=0)
