"""The camera's part of Profiles S, T and M, in an order that leaves it as it was found."""

import asyncio

from lxml import etree

from onvif.names import TT, VC, q
from tests.conformance import common


async def script(dut):
    await common.device(dut)
    await common.events(dut)
    await media(dut)
    await media2(dut)
    await osd(dut)
    await masks(dut)
    await imaging(dut)
    await device_io(dut)
    await analytics(dut)
    await brokers(dut)
    await security(dut)


async def media(dut):
    await dut.ask("trt:GetServiceCapabilities")
    await dut.ask("trt:GetVideoSources")
    await dut.ask("trt:GetProfiles")
    made = await dut.ask("trt:CreateProfile", Name="conformance")
    token = made.Profile.token if made else "main"
    await dut.ask("trt:GetProfile", ProfileToken=token)
    sources = await dut.ask("trt:GetVideoSourceConfigurations")
    encoders = await dut.ask("trt:GetVideoEncoderConfigurations")
    metadatas = await dut.ask("trt:GetMetadataConfigurations")
    kinds = {"VideoSource": sources, "VideoEncoder": encoders, "Metadata": metadatas}
    for kind, found in kinds.items():
        await dut.ask(f"trt:GetCompatible{kind}Configurations", ProfileToken=token)
        if not found:
            continue
        first = found.Configurations[0]
        await dut.ask(f"trt:Add{kind}Configuration", ProfileToken=token, ConfigurationToken=first.token)
        got = await dut.ask(f"trt:Get{kind}Configuration", ConfigurationToken=first.token)
        await dut.ask(f"trt:Get{kind}ConfigurationOptions", ConfigurationToken=first.token, ProfileToken=token)
        if got:
            await dut.ask(f"trt:Set{kind}Configuration", Configuration=got.Configuration, ForcePersistence=True)
    if sources:
        await dut.ask(
            "trt:GetGuaranteedNumberOfVideoEncoderInstances", ConfigurationToken=sources.Configurations[0].token
        )
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    await dut.ask("trt:GetStreamUri", StreamSetup=setup, ProfileToken=token)
    await dut.ask("trt:SetSynchronizationPoint", ProfileToken=token)
    await dut.ask("trt:StartMulticastStreaming", ProfileToken=token)
    await dut.ask("trt:StopMulticastStreaming", ProfileToken=token)
    for kind in ("Metadata", "VideoEncoder", "VideoSource"):
        await dut.ask(f"trt:Remove{kind}Configuration", ProfileToken=token)
    await dut.ask("trt:DeleteProfile", ProfileToken=token)
    await dut.ask("trt:GetAudioSources")
    for kind in ("Source", "Encoder"):
        await dut.ask(f"trt:GetAudio{kind}Configurations")
        await dut.ask(f"trt:GetAudio{kind}ConfigurationOptions")
        await dut.ask(f"trt:GetCompatibleAudio{kind}Configurations", ProfileToken="main")


async def media2(dut):
    await dut.ask("tr2:GetServiceCapabilities")
    await dut.ask("tr2:GetProfiles", Type=["All"])
    made = await dut.ask("tr2:CreateProfile", Name="conformance2")
    token = made.Token if made else "main"
    for kind in ("VideoSource", "VideoEncoder", "Metadata", "Analytics"):
        found = await dut.ask(f"tr2:Get{kind}Configurations")
        if not found:
            continue
        first = found.Configurations[0]
        await dut.ask("tr2:AddConfiguration", ProfileToken=token, Configuration=[{"Type": kind, "Token": first.token}])
        if kind != "Analytics":
            await dut.ask(f"tr2:Get{kind}ConfigurationOptions", ConfigurationToken=first.token)
            await dut.ask(f"tr2:Set{kind}Configuration", Configuration=first)
        if kind == "VideoSource":
            await dut.ask("tr2:GetVideoEncoderInstances", ConfigurationToken=first.token)
    await dut.ask("tr2:GetStreamUri", Protocol="RtspUnicast", ProfileToken=token)
    await dut.ask("tr2:GetSnapshotUri", ProfileToken=token)
    await dut.ask("tr2:SetSynchronizationPoint", ProfileToken=token)
    for kind in ("Analytics", "Metadata", "VideoEncoder", "VideoSource"):
        await dut.ask("tr2:RemoveConfiguration", ProfileToken=token, Configuration=[{"Type": kind}])
    await dut.ask("tr2:DeleteProfile", Token=token)
    modes = await dut.ask("tr2:GetVideoSourceModes", VideoSourceToken="source")
    if modes:
        await dut.ask(
            "tr2:SetVideoSourceMode", VideoSourceToken="source", VideoSourceModeToken=modes.VideoSourceModes[0].token
        )
    for kind in ("AudioSource", "AudioEncoder", "AudioOutput", "AudioDecoder"):
        await dut.ask(f"tr2:Get{kind}Configurations")
    for kind in ("AudioEncoder", "AudioDecoder"):
        await dut.ask(f"tr2:Get{kind}ConfigurationOptions")


def _text(token, text):
    return {
        "token": token,
        "VideoSourceConfigurationToken": {"_value_1": "source"},
        "Type": "Text",
        "Position": {"Type": "UpperLeft"},
        "TextString": {"Type": "Plain", "PlainText": text},
    }


async def osd(dut):
    await dut.ask("tr2:GetOSDOptions", ConfigurationToken="source")
    made = await dut.ask("tr2:CreateOSD (text)", OSD=_text("new", "conformance"))
    await dut.ask("tr2:GetOSDs", ConfigurationToken="source")
    if made:
        await dut.ask("tr2:SetOSD", OSD=_text(made.OSDToken, "changed"))
        await dut.ask("tr2:DeleteOSD", OSDToken=made.OSDToken)


async def masks(dut):
    """Beyond the profiles: their replies count towards `invalid`, not towards the totals."""
    await dut.ask("tr2:GetMaskOptions", ConfigurationToken="source")
    corners = [{"x": -0.2, "y": 0.2}, {"x": 0.2, "y": 0.2}, {"x": 0, "y": -0.2}]
    mask = {"ConfigurationToken": "source", "Polygon": {"Point": corners}, "Type": "Pixelated", "Enabled": True}
    made = await dut.ask("tr2:CreateMask", Mask=mask)
    await dut.ask("tr2:GetMasks")
    if made:
        await dut.ask("tr2:SetMask", Mask={**mask, "token": made.Token, "Enabled": False})
        await dut.ask("tr2:DeleteMask", Token=made.Token)


async def imaging(dut):
    source = {"VideoSourceToken": "source"}
    await dut.ask("timg:GetServiceCapabilities")
    now = await dut.ask("timg:GetImagingSettings", **source)
    await dut.ask("timg:GetOptions", **source)
    if now:
        await dut.ask("timg:SetImagingSettings", **source, ImagingSettings=now.ImagingSettings)
    await dut.ask("timg:GetMoveOptions", **source)
    await dut.ask("timg:GetStatus", **source)


async def device_io(dut):
    await dut.ask("tmd:GetServiceCapabilities")
    for operation in ("GetVideoSources", "GetAudioSources", "GetAudioOutputs", "GetDigitalInputs"):
        await dut.ask(f"tmd:{operation}")
    await dut.ask("tmd:GetRelayOutputs")
    await dut.ask("tmd:GetRelayOutputOptions")


async def analytics(dut):
    configuration = {"ConfigurationToken": "analytics"}
    await dut.ask("tan:GetServiceCapabilities")
    await dut.ask("tan:GetSupportedMetadata")
    for kind, type_, gone in (
        ("AnalyticsModule", q(VC, "ObjectTracker"), "AnalyticsModuleName"),
        ("Rule", q(TT, "ObjectDetection"), "RuleName"),
    ):
        await dut.ask(f"tan:GetSupported{kind}s", **configuration)
        await dut.ask(f"tan:Get{kind}s", **configuration)
        await dut.ask(f"tan:Get{kind}Options", **configuration)
        config = {
            "Name": "conformance",
            "Type": etree.QName(type_),
            "Parameters": {"SimpleItem": [{"Name": "ClassFilter", "Value": "Human"}]},
        }
        await dut.ask(f"tan:Create{kind}s", **configuration, **{kind: [config]})
        await dut.ask(f"tan:Modify{kind}s", **configuration, **{kind: [config]})
        await dut.ask(f"tan:Delete{kind}s", **configuration, **{gone: ["conformance"]})


async def security(dut):
    """Beyond the profiles: their replies count towards `invalid`, not towards the totals."""
    for operation in ("GetServiceCapabilities", "GetAllKeys", "GetAllPassphrases", "GetAssignedServerCertificates",
                      "GetEnabledTLSVersions", "GetAllCertPathValidationPolicies"):  # fmt: skip
        await dut.ask(f"tas:{operation}")
    made = await dut.ask("tas:CreateECCKeyPair", EllipticCurve="secp256r1", Alias="conformance")
    if not made:
        return
    async with asyncio.timeout(30):
        while (await dut.ask("tas:GetKeyStatus", KeyID=made.KeyID)).KeyStatus == "generating":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    signed = {"KeyID": made.KeyID, "Subject": {"CommonName": ["conformance"]},
              "SignatureAlgorithm": {"algorithm": "1.2.840.10045.4.3.2"}}  # fmt: skip
    await dut.ask("tas:CreatePKCS10CSR", **signed)
    certificate = (await dut.ask("tas:CreateSelfSignedCertificate", **signed)).CertificateID
    await dut.ask("tas:GetCertificate", CertificateID=certificate)
    await dut.ask("tas:GetAllCertificates")
    listed = {"CertificateID": [certificate]}
    path = (await dut.ask("tas:CreateCertificationPath", CertificateIDs=listed)).CertificationPathID
    await dut.ask("tas:GetAllCertificationPaths")
    await dut.ask("tas:GetCertificationPath", CertificationPathID=path)
    await dut.ask("tas:AddServerCertificateAssignment", CertificationPathID=path)
    await dut.ask("tas:RemoveServerCertificateAssignment", CertificationPathID=path)
    await dut.ask("tas:DeleteCertificationPath", CertificationPathID=path)
    await dut.ask("tas:DeleteCertificate", CertificateID=certificate)
    await dut.ask("tas:DeleteKey", KeyID=made.KeyID)


async def brokers(dut):
    broker = {"Address": "mqtt://127.0.0.1:9", "TopicPrefix": "conformance"}
    await dut.ask("tev:AddEventBroker", EventBroker=broker)
    await dut.ask("tev:GetEventBrokers")
    await dut.ask("tev:DeleteEventBroker", Address=broker["Address"])
