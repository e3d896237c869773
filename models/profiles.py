"""How much the detector may cost: the profiles that `ModelsConfig.profile` names."""

from base.errors import ModelError
from models.detector import Detector
from models.nanodet import NanoDet
from models.oidv4 import NAME, Oidv4
from models.runtime import InferenceSession

# NanoDet: longer sides of the input, which take turns, columns and rows of tiles beside the whole picture. At any one
# size the network hardly sees people of some heights (of 210 in photographs 16 % score below .4 at 512 and as many
# at 320, of the better of the two one); the smaller ones cost less as well. Of people 140 to 290 pixels tall in a
# picture 640 wide (TUD-Campus) 256 is the best size, AP .83 against .70 at 512.
_NANODET = {
    "standard": ((416, 256), (1, 1)),
    "fine": ((512, 320, 256), (1, 1)),
    "tiles": ((416, 256), (2, 1)),
    "small": ((320, 192), (1, 1)),
    "smallest": ((256, 160), (1, 1)),
    "jetson": ((416, 256), (2, 1)),
}


def looks_with_nanodet(profile: str) -> bool:
    """Whether the profile's network is NanoDet, which has an eight-bit form and knows what people carry."""
    return profile in _NANODET


def detector_for(session: InferenceSession, profile: str) -> Detector:
    """The detector of that profile over its network's `session`.

    Raises:
        ModelError: the profile looks with another network.
    """
    if (session.entry.name == NAME) == looks_with_nanodet(profile):
        raise ModelError(f"the profile {profile} does not look with {session.entry.name}")
    if not looks_with_nanodet(profile):
        return Oidv4(session)
    long_sides, tiles = _NANODET[profile]
    return NanoDet(session, long_sides=long_sides, tiles=tiles)
