"""Connecting to a camera over ONVIF with the account that the box has for it."""

from nvr_box.cameras.sign_ins import SignIn
from onvif.client import OnvifClient as Device
from onvif.errors import NotAuthorized


async def signed_in(xaddr: str, user: str, password: str, sign_in: SignIn) -> Device:
    """The device, connected; not while its account is left alone after a refusal.

    Raises:
        SignInRefused: it was refused a while ago.
        OnvifError: as `Device.connect`.
    """
    sign_in.check()
    try:
        device = await Device.connect(xaddr, user, password)
    except NotAuthorized:
        sign_in.refused()
        raise
    sign_in.accepted()
    return device
