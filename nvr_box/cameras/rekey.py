"""Exchanging keys again with a camera that is already on the list."""

import secrets
from dataclasses import replace

from base.errors import PeerError
from nvr_box.cameras import pairing
from nvr_box.cameras.camera_store import CameraRow, CameraStore, entry
from nvr_box.cameras.pairing_offer import PairingOffers
from nvr_box.record.source import SignInRefused
from nvr_box.search.intake import token_hash


class AnotherCamera(PeerError):
    """What answers proves that it is not the camera that was added."""


async def rekeyed(roster: CameraStore, introduction: PairingOffers, actor: str, camera: CameraRow) -> CameraRow:
    """Give a camera today's keys and a new token, and write down what it says of itself.

    Raises:
        PeerError: it is of another make, does not answer, refuses, or is another camera than before.
        RequestError: pairing needs TLS and a reveal key.
    """
    token = secrets.token_urlsafe(32)
    password = roster.password(camera.camera)
    seen = await pairing.look(camera.xaddr) if camera.device else None
    if seen is None:
        raise PeerError(f"{camera.name} is of another make and cannot be paired")
    same_camera(camera, seen)
    ok, why = introduction.pairable(seen)
    if not ok:
        raise PeerError(why)
    sign_in = roster.sign_in(camera.camera)
    sign_in.check()
    try:
        said = await introduction.pair(camera.xaddr, camera.user, password, seen, token)
    except SignInRefused:
        sign_in.refused()
        raise
    sign_in.accepted()
    changed = replace(
        camera,
        paired=True,
        sealed_to=said.sealed_to,
        camera_id=said.camera_id,
        signing_key=said.signing_key,
        appearance_model=said.appearance_model,
    )
    written = entry(actor, "pair", camera.camera, {"camera_id": said.camera_id})
    stream = introduction.stream_account(said)
    await roster.save(changed, written, push_token=token_hash(token), stream=stream)
    return changed


def same_camera(camera: CameraRow, seen: pairing.Paired) -> None:
    """Raise `AnotherCamera` when another camera answers than the one that was added: its key is kept.

    A camera of an older row without a key is known by what it says now.
    """
    if camera.camera_id not in (None, seen.camera_id) or camera.signing_key not in (None, seen.signing_key):
        raise AnotherCamera(f"another camera answers at the address of {camera.name}; remove it and add it afresh")
