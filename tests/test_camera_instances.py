"""A real camera under load: what it promises of its encoders holds while all run at their largest and fastest."""

import pytest

from bench.change import change, held
from tests.camera_process import camera_process

pytestmark = [pytest.mark.long, pytest.mark.e2e]


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    with camera_process(tmp_path_factory.mktemp("camera"), window=(0, 0, 768, 576)) as running:
        yield running


@pytest.mark.parametrize("encoding", ["H264", "H265"])
def test_every_encoder_holds_the_rate_it_promises(camera, encoding):
    promised_fps, share = held(camera, encoding)
    assert promised_fps >= 1
    assert share > 0.9


def test_jpeg_holds_its_rate_beside_the_main_stream(camera):
    for token, encoding in (("main", "H264"), ("sub", "JPEG")):
        change(camera, token, encoding, 0)
    _, share = held(camera, "JPEG")
    assert share > 0.9
