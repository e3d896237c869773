"""The box as its parts: what the page, the ONVIF services and the command line are written against.

Every time is UTC in microseconds since 1970 (`utc_us`). `camera` is the box's own number of a camera; `camera_id`
is the 8-byte identity that a Veilcam signs with. Methods that show or change something take `by`, the account
that asks: they raise `Refused` when the right is missing and write the audit entry themselves. All methods belong
to the box's event loop; what blocks runs in threads behind them.
"""

from dataclasses import dataclass

from nvr_box.accounts.users import Accounts
from nvr_box.audit.log import Audit
from nvr_box.cameras.cameras import Cameras
from nvr_box.cameras.maskings import Maskings
from nvr_box.cameras.released_places import PlaceReleases
from nvr_box.cameras.selections import Selections
from nvr_box.config import BoxConfig
from nvr_box.custody.custody import Custody
from nvr_box.custody.holds import Holds
from nvr_box.export.exports import Exports
from nvr_box.notices import Notices, none
from nvr_box.record.recordings import Recordings
from nvr_box.reveal.reveals import Reveals
from nvr_box.search.frozen_frames import Stills
from nvr_box.search.intake import Intake
from nvr_box.search.search import AppearanceSearch
from nvr_box.timekeeping.timekeeper import Timekeeper


@dataclass(frozen=True, slots=True)
class BoxContext:
    """The parts, built and started by `nvr_box.app`."""

    config: BoxConfig
    audit: Audit
    users: Accounts
    cameras: Cameras
    recordings: Recordings
    stills: Stills
    intake: Intake
    searches: AppearanceSearch
    reveals: Reveals
    exports: Exports
    custody: Custody
    holds: Holds
    maskings: Maskings
    selections: Selections
    released_places: PlaceReleases
    timekeeper: Timekeeper
    notices: Notices = none
