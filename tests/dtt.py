"""What the device test cases of the media services have in common: asking, and making a request of what was shown."""

import pytest

from onvif.errors import Fault
from onvif.names import TR2, TRT

FIXED = ["main", "sub"]


async def fault(call):
    with pytest.raises(Fault) as caught:
        await call
    return caught.value.subcodes


async def profiles2(client, *kinds, token=None):
    values = {"Type": list(kinds)} if kinds else {}
    return (await client(TR2, "GetProfiles", **values, **({"Token": token} if token else {}))).Profiles


async def profiles1(client):
    return (await client(TRT, "GetProfiles")).Profiles


def media2_request(configuration):
    """A decoded encoder configuration as values of a Set."""
    rate = configuration.RateControl
    values = {
        "token": configuration.token, "Name": configuration.Name, "UseCount": configuration.UseCount,
        "Encoding": configuration.Encoding, "Quality": configuration.Quality,
        "Resolution": {"Width": configuration.Resolution.Width, "Height": configuration.Resolution.Height},
        "RateControl": {"FrameRateLimit": rate.FrameRateLimit, "BitrateLimit": rate.BitrateLimit},
    }  # fmt: skip
    if configuration.Encoding != "JPEG":
        values |= {"GovLength": configuration.GovLength, "Profile": configuration.Profile}
    return values


async def encoder2(client, token):
    return (await client(TR2, "GetVideoEncoderConfigurations", ConfigurationToken=token)).Configurations[0]


async def options2(client, **ask):
    return (await client(TR2, "GetVideoEncoderConfigurationOptions", **ask)).Options


def media1_request(one):
    """A decoded Media 1 encoder configuration as values of a Set."""
    rate = one.RateControl
    values = {
        "token": one.token, "Name": one.Name, "UseCount": one.UseCount, "Encoding": one.Encoding,
        "Resolution": {"Width": one.Resolution.Width, "Height": one.Resolution.Height}, "Quality": one.Quality,
        "RateControl": {"FrameRateLimit": rate.FrameRateLimit, "EncodingInterval": 1,
                        "BitrateLimit": rate.BitrateLimit},
        "Multicast": {"Address": {"Type": "IPv4", "IPv4Address": one.Multicast.Address.IPv4Address},
                      "Port": one.Multicast.Port, "TTL": one.Multicast.TTL, "AutoStart": False},
        "SessionTimeout": one.SessionTimeout,
    }  # fmt: skip
    if one.H264 is not None:
        values["H264"] = {"GovLength": one.H264.GovLength, "H264Profile": one.H264.H264Profile}
    return values


async def encoder1(client, token):
    return (await client(TRT, "GetVideoEncoderConfiguration", ConfigurationToken=token)).Configuration
