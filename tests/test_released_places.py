"""Places released from the mask: the document, its bounds, and the box's calls against the camera's own application."""

import json
from dataclasses import asdict

import pytest

from base.errors import PeerError, WireError
from base.settings_file import Stored
from firmware.released_places import FILE, MOST_PLACES, ReleasedPlaces, document, read
from nvr_box.cameras.released import ReleasedPlaceRow, look, save
from onvif.users import Level
from tests.onvif_camera import PASSWORDS, running

USER = Level.ADMINISTRATOR.lower()
PASSWORD = PASSWORDS[Level.ADMINISTRATOR]
STAND = ReleasedPlaceRow("stand-1", (0.1, 0.2, 0.3, 0.9), "a coat stand", "anna", 1_700_000_000_000_000)


def listed(**changes):
    return {"places": [{**asdict(STAND), "box": list(STAND.box), **changes}]}


def test_a_document_comes_back_as_it_was():
    assert document(read(listed())) == listed()
    assert read({"places": []}) == ReleasedPlaces()


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ([], "places"),
        ({"places": [], "more": 1}, "places"),
        ({"places": [{"id": "x"}]}, "objects with"),
        (listed(box=[0.5, 0, 0.5, 1]), "box"),
        (listed(box=[0, 0, 1.1, 1]), "box"),
        (listed(box=[0, 0, float("nan"), 1]), "box"),
        (listed(box=[0, 0, True, 1]), "box"),
        (listed(box=[0, 0, 10**400, 1]), "box"),
        (listed(box=[0, 0, 1]), "box"),
        (listed(reason=""), "reason"),
        (listed(reason="\ud800"), "reason"),
        (listed(by=3), "by"),
        (listed(id="x" * 65), "id"),
        (listed(at_utc_us=-1), "at_utc_us"),
        (listed(at_utc_us=1.5), "at_utc_us"),
        ({"places": listed()["places"] * 2}, "two places"),
        ({"places": [{**listed()["places"][0], "id": str(n)} for n in range(MOST_PLACES + 1)]}, "at most"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(table, why):
    with pytest.raises(WireError, match=why):
        read(table)


async def test_the_box_releases_and_withdraws_and_the_camera_keeps_it(tmp_path):
    async with running(tmp_path) as camera:
        xaddr = f"{camera.base}/onvif/device_service"
        assert await look(xaddr, USER, PASSWORD) == ()
        assert await save(xaddr, USER, PASSWORD, [STAND]) == (STAND,)
        assert await look(xaddr, USER, PASSWORD) == (STAND,)
        kept = json.loads((tmp_path / FILE).read_text())
        assert kept["places"][0]["reason"] == "a coat stand"
        assert document(Stored(tmp_path / FILE, ReleasedPlaces()).value) == listed()
        wrong = ReleasedPlaceRow("stand-2", (0.5, 0.5, 0.4, 0.9), "a coat stand", "anna", 0)
        with pytest.raises(PeerError, match="box: want shares"):
            await save(xaddr, USER, PASSWORD, [STAND, wrong])
        assert await look(xaddr, USER, PASSWORD) == (STAND,)
        with pytest.raises(PeerError, match="password"):
            await save(xaddr, USER, "not the password", [])
        with pytest.raises(PeerError):
            await save(xaddr, Level.USER.lower(), PASSWORDS[Level.USER], [])
        assert await save(xaddr, USER, PASSWORD, []) == ()
