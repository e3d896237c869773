"""Video encoders as ONVIF's device test specifications (22.06) go through both media services; marks are case ids.

Whatever is set has to come out: each setting is followed by a picture through the real encoder and back through a
decoder. Streams with viewers on them are in `test_camera_change.py`.
"""

import io

import av
import pytest

from onvif.names import TR2, TRT
from tests.camera_sensor import CODECS, Sensor
from tests.dtt import FIXED, encoder1, encoder2, fault, media1_request, media2_request, options2
from tests.onvif_camera import HEIGHT, RATE, WIDTH, running
from wire.compose import PictureDecoder


@pytest.fixture
async def camera(tmp_path):
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
def events(camera):
    """What the camera said on its bus: (topic's last part, source items)."""
    said = []
    camera.camera.bus.listen(lambda event: said.append((event.topic.rpartition("/")[2], dict(event.source))))
    return said


@pytest.fixture
def sensor(camera):
    return Sensor(camera.camera.live)


def seen(unit):
    """Encoding and size of what an independent decoder makes of an access unit."""
    if unit.encoding == "JPEG":
        with av.open(io.BytesIO(unit.data), format="jpeg_pipe") as container:
            picture = next(container.decode(video=0))
            return "JPEG", picture.width, picture.height
    rows, width = PictureDecoder(CODECS[unit.encoding]).decode(unit.data).shape
    return unit.encoding, width, rows * 2 // 3


@pytest.mark.case("MEDIA2-2-3-2", "MEDIA2-2-3-3", "MEDIA2-2-3-5")
async def test_encoder_options_fit_encoder_configurations(camera):
    client = camera.client()
    for token in FIXED:
        one = await encoder2(client, token)
        for ask in ({"ConfigurationToken": token}, {"ProfileToken": token}):
            option = next(found for found in await options2(client, **ask) if found.Encoding == one.Encoding)
            sizes = {(size.Width, size.Height) for size in option.ResolutionsAvailable}
            assert (one.Resolution.Width, one.Resolution.Height) in sizes
            assert option.QualityRange.Min <= one.Quality <= option.QualityRange.Max
            assert option.BitrateRange.Min <= one.RateControl.BitrateLimit <= option.BitrateRange.Max
            assert one.RateControl.FrameRateLimit in option.FrameRatesSupported
            assert option.GovLengthRange[0] <= one.GovLength <= option.GovLengthRange[1]
            assert one.Profile in option.ProfilesSupported


@pytest.mark.case("MEDIA2-2-3-4", "RTSS-1-1-24", "RTSS-1-1-26")
@pytest.mark.parametrize("token", FIXED)
async def test_every_offered_encoder_setting_is_taken_and_runs(camera, events, sensor, token):
    client = camera.client()
    present = media2_request(await encoder2(client, token))
    offered = await options2(client, ConfigurationToken=token)
    assert {option.Encoding for option in offered} == {"H264", "H265"} | ({"JPEG"} if token == "sub" else set())
    for option in offered:
        sizes = option.ResolutionsAvailable
        assert len(sizes) > 1 or option.Encoding != "JPEG"
        gops = option.GovLengthRange or [None, None]
        for size, (quality, bitrate, gop) in zip(
            [sizes[0], *sizes, sizes[-1]],
            [(option.QualityRange.Min, option.BitrateRange.Min, gops[0]), *[(50.0, 1000, gops[1])] * len(sizes),
             (option.QualityRange.Max, option.BitrateRange.Max, gops[1])],
            strict=True,
        ):  # fmt: skip
            wanted = {
                **present, "Encoding": option.Encoding, "Quality": quality, "GovLength": gop,
                "Profile": option.ProfilesSupported[0] if option.ProfilesSupported else None,
                "Resolution": {"Width": size.Width, "Height": size.Height},
                "RateControl": {"FrameRateLimit": option.FrameRatesSupported[0], "BitrateLimit": bitrate},
            }  # fmt: skip
            events.clear()
            await client(TR2, "SetVideoEncoderConfiguration", Configuration=wanted)
            assert events == [("ConfigurationChanged", {"Token": token, "Type": "VideoEncoder"})]
            shown = await encoder2(client, token)
            assert (shown.Quality, shown.GovLength, shown.RateControl.BitrateLimit) == (quality, gop, bitrate)
            assert shown.Profile == wanted["Profile"]
            unit = sensor.encode(token)
            assert unit.idr
            assert seen(unit) == (option.Encoding, size.Width, size.Height)
            coding = camera.camera.live.video(token).coding
            assert gop in (None, coding.gop_frames)
            limited = bitrate < option.BitrateRange.Max
            assert coding.bitrate_bps == (bitrate * 1000 if limited else None)


@pytest.mark.parametrize("token", FIXED)
async def test_every_offered_rate_comes_out(camera, sensor, token):
    client = camera.client()
    present = media2_request(await encoder2(client, token))
    option = next(one for one in await options2(client, ConfigurationToken=token) if one.Encoding == "H264")
    assert option.FrameRatesSupported[0] == float(RATE)
    for rate in option.FrameRatesSupported:
        wanted = {**present, "RateControl": {"FrameRateLimit": rate, "BitrateLimit": 1000}}
        await client(TR2, "SetVideoEncoderConfiguration", Configuration=wanted)
        assert (await encoder2(client, token)).RateControl.FrameRateLimit == rate
        units = [sensor.encode(token) for _ in range(2 * int(RATE))]
        assert sum(unit is not None for unit in units) == 2 * rate
        assert units[0].idr


@pytest.mark.parametrize(
    "odd",
    [{"Encoding": "VP8"}, {"Quality": -1.0}, {"Quality": 101.0}, {"GovLength": 100_000},
     {"Resolution": {"Width": 17, "Height": 16}}, {"Profile": "Extended"},
     {"RateControl": {"FrameRateLimit": 500.0, "BitrateLimit": 1000}},
     {"RateControl": {"FrameRateLimit": 0.0, "BitrateLimit": 1000}}, {"Encoding": "JPEG", "Profile": None},
     {"Encoding": "H265", "Profile": "High"}, {"Resolution": {"Width": WIDTH + 16, "Height": HEIGHT}}],
)  # fmt: skip
async def test_what_was_not_offered_is_refused_and_changes_nothing(camera, events, odd):
    client = camera.client()
    before = await encoder2(client, "main")
    call = client(TR2, "SetVideoEncoderConfiguration", Configuration={**media2_request(before), **odd})
    assert await fault(call) == ("InvalidArgVal", "ConfigModify")
    assert (await encoder2(client, "main")).__values__ == before.__values__
    assert events == []


async def test_a_bit_rate_out_of_range_is_moved_into_it(camera):
    client = camera.client()
    option = (await options2(client, ConfigurationToken="main"))[0].BitrateRange
    for asked, kept in ((1, option.Min), (option.Max * 9, option.Max), (777, 777)):
        wanted = media2_request(await encoder2(client, "main"))
        wanted["RateControl"] |= {"BitrateLimit": asked}
        await client(TR2, "SetVideoEncoderConfiguration", Configuration=wanted)
        assert (await encoder2(client, "main")).RateControl.BitrateLimit == kept
        assert (await encoder1(client, "main")).RateControl.BitrateLimit == kept


async def test_encoder_settings_survive_a_restart(tmp_path):
    async with running(tmp_path) as first:
        client = first.client()
        for token, change in (("main", {"Encoding": "H265", "Profile": "Main", "GovLength": 33, "Name": "kept"}),
                              ("sub", {"Encoding": "JPEG", "Profile": None, "GovLength": None})):  # fmt: skip
            option = next(one for one in await options2(client, ConfigurationToken=token)
                          if one.Encoding == change["Encoding"])  # fmt: skip
            size = option.ResolutionsAvailable[-1]
            wanted = media2_request(await encoder2(client, token)) | change
            wanted["Resolution"] = {"Width": size.Width, "Height": size.Height}
            wanted["RateControl"] |= {"FrameRateLimit": 5.0}
            await client(TR2, "SetVideoEncoderConfiguration", Configuration=wanted)
        before = [await encoder2(client, token) for token in FIXED]
    async with running(tmp_path) as second:
        assert [(await encoder2(second.client(), token)).__values__ for token in FIXED] == [
            one.__values__ for one in before
        ]
        assert (before[0].GovLength, before[0].Name, before[0].RateControl.FrameRateLimit) == (33, "kept", 5.0)
        sensor = Sensor(second.camera.live)
        for one in before:
            assert seen(sensor.encode(one.token)) == (one.Encoding, one.Resolution.Width, one.Resolution.Height)


@pytest.mark.case("MEDIA2_RTSS-1-1-11", "RTSS-1-1-44")
@pytest.mark.parametrize("token", FIXED)
@pytest.mark.parametrize("encoding", ["H264", "H265"])
async def test_a_synchronisation_point_gives_an_idr_picture(camera, sensor, token, encoding):
    client = camera.client()
    for service in (TR2, TRT):
        wanted = media2_request(await encoder2(client, token))
        wanted |= {"Encoding": encoding, "Profile": None, "GovLength": 250}
        await client(TR2, "SetVideoEncoderConfiguration", Configuration=wanted)
        sensor.encode(token)
        assert not any(sensor.encode(token).idr for _ in range(3))
        await client(service, "SetSynchronizationPoint", ProfileToken=token)
        unit = sensor.encode(token)
        assert unit.idr
        assert seen(unit)[0] == encoding
        assert not sensor.encode(token).idr


@pytest.mark.case("MEDIA2-5-1-2", "MEDIA2_RTSS-1-1-23")
async def test_encoder_instances_are_as_many_as_there_are_encoders(camera):
    client = camera.client()
    info = (await client(TR2, "GetVideoEncoderInstances", ConfigurationToken="source")).Info
    assert info.Total == len((await client(TR2, "GetVideoEncoderConfigurations")).Configurations)
    for codec in info.Codec:
        able = [
            codec.Encoding in {one.Encoding for one in await options2(client, ConfigurationToken=token)}
            for token in FIXED
        ]
        assert codec.Number == sum(able)


@pytest.mark.case("MEDIA-2-1-2", "MEDIA-2-3-3", "MEDIA-2-3-4", "MEDIA-2-3-12", "MEDIA-2-3-17", "MEDIA-2-3-18")
@pytest.mark.parametrize("token", FIXED)
async def test_media1_encoder_options_are_taken(camera, events, token):
    client = camera.client()
    for ask in ({"ConfigurationToken": token}, {"ProfileToken": token}):
        options = (await client(TRT, "GetVideoEncoderConfigurationOptions", **ask)).Options
        before = await encoder1(client, token)
        h264 = options.H264
        assert options.QualityRange.Min <= before.Quality <= options.QualityRange.Max
        for size in h264.ResolutionsAvailable:
            wanted = {
                **media1_request(before), "Encoding": "H264", "Quality": float(options.QualityRange.Min),
                "Resolution": {"Width": size.Width, "Height": size.Height},
                "H264": {"GovLength": h264.GovLengthRange.Max, "H264Profile": h264.H264ProfilesSupported[0]},
                "RateControl": {"FrameRateLimit": h264.FrameRateRange.Max, "EncodingInterval": 1,
                                "BitrateLimit": 500},
            }  # fmt: skip
            events.clear()
            await client(TRT, "SetVideoEncoderConfiguration", Configuration=wanted, ForcePersistence=True)
            shown = await encoder1(client, token)
            assert (shown.Quality, shown.H264.GovLength) == (options.QualityRange.Min, h264.GovLengthRange.Max)
            assert (shown.RateControl.BitrateLimit, shown.UseCount) == (500, before.UseCount)
            assert camera.camera.live.video(token).coding.bitrate_bps == 500_000
            assert events == [("ConfigurationChanged", {"Token": token, "Type": "VideoEncoder"})]


@pytest.mark.case("MEDIA-2-1-9", "MEDIA-2-1-11", "RTSS-1-1-46", "RTSS-1-1-48")
@pytest.mark.parametrize("encoding", ["JPEG", "H264"])
async def test_media1_sets_each_encoding_at_every_size(camera, sensor, encoding):
    client = camera.client()
    option = getattr(
        (await client(TRT, "GetVideoEncoderConfigurationOptions", ConfigurationToken="sub")).Options, encoding
    )
    for size in option.ResolutionsAvailable:
        wanted = media1_request(await encoder1(client, "sub")) | {"Encoding": encoding}
        wanted["Resolution"] = {"Width": size.Width, "Height": size.Height}
        wanted["RateControl"] |= {"FrameRateLimit": option.FrameRateRange.Max}
        wanted["H264"] = {"GovLength": 10, "H264Profile": "High"} if encoding == "H264" else None
        await client(TRT, "SetVideoEncoderConfiguration", Configuration=wanted, ForcePersistence=True)
        shown = await encoder1(client, "sub")
        assert (shown.Encoding, shown.H264 is None) == (encoding, encoding == "JPEG")
        assert (shown.Resolution.Width, shown.Resolution.Height) == (size.Width, size.Height)
        assert seen(sensor.encode("sub")) == (encoding, size.Width, size.Height)


async def test_jpeg_pictures_keep_to_their_bit_rate_and_can_be_sent_by_rfc_2435(camera, sensor):
    client = camera.client()
    option = next(one for one in await options2(client, ConfigurationToken="sub") if one.Encoding == "JPEG")
    size = option.ResolutionsAvailable[0]
    sizes = {}
    for limit in (1000, option.BitrateRange.Max):
        wanted = media2_request(await encoder2(client, "sub")) | {"Encoding": "JPEG", "Quality": 90.0}
        wanted |= {"Resolution": {"Width": size.Width, "Height": size.Height}, "Profile": None, "GovLength": None}
        wanted["RateControl"] |= {"BitrateLimit": limit}
        await client(TR2, "SetVideoEncoderConfiguration", Configuration=wanted)
        units = [sensor.encode("sub") for _ in range(10)]
        assert all(unit.idr for unit in units)
        sizes[limit] = sum(len(unit.data) for unit in units) * 8 / 1000
        for unit in units:
            markers = unit.data.split(b"\xff\xda")[0]
            assert b"\xff\xc0" in markers  # baseline, not progressive
            assert unit.data.endswith(b"\xff\xd9")
    assert sizes[1000] <= 1000 < sizes[option.BitrateRange.Max]


@pytest.mark.case("RTSS-1-2-19", "RTSS-1-2-20")
async def test_multicast_address_and_port_of_an_encoder_are_set(camera):
    client = camera.client()
    for token in FIXED:
        before = await encoder1(client, token)
        for address, port in (("239.0.1.0", 32000), ("239.0.1.0", 32010), ("239.0.1.9", 32010)):
            wanted = media1_request(before)
            wanted["Multicast"] |= {"Address": {"Type": "IPv4", "IPv4Address": address}, "Port": port}
            await client(TRT, "SetVideoEncoderConfiguration", Configuration=wanted, ForcePersistence=True)
            shown = (await encoder1(client, token)).Multicast
            assert (shown.Address.IPv4Address, shown.Port) == (address, port)
            assert (await encoder2(client, token)).Multicast.Port == port
        wanted["Multicast"] |= {"Address": {"Type": "IPv4", "IPv4Address": "192.0.2.1"}}
        call = client(TRT, "SetVideoEncoderConfiguration", Configuration=wanted, ForcePersistence=True)
        assert await fault(call) == ("InvalidArgVal", "ConfigModify")


@pytest.mark.case("MEDIA-2-1-6", "MEDIA-2-1-7")
async def test_the_guaranteed_instances_are_what_the_options_allow(camera):
    client = camera.client()
    reply = await client(TRT, "GetGuaranteedNumberOfVideoEncoderInstances", ConfigurationToken="source")
    assert reply.TotalNumber == len(FIXED)
    able = {"JPEG": 0, "H264": 0}
    for token in FIXED:
        options = (await client(TRT, "GetVideoEncoderConfigurationOptions", ConfigurationToken=token)).Options
        for encoding in able:
            able[encoding] += getattr(options, encoding) is not None
    assert {"JPEG": reply.JPEG, "H264": reply.H264} == able == {"JPEG": 1, "H264": 2}
    generic = (await client(TRT, "GetVideoEncoderConfigurationOptions")).Options
    assert generic.JPEG is not None
    assert generic.H264 is not None
    call = client(TRT, "GetGuaranteedNumberOfVideoEncoderInstances", ConfigurationToken="no")
    assert await fault(call) == ("InvalidArgVal", "NoConfig")
