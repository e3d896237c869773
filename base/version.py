"""The one version of the program, which pyproject.toml, both devices' GetDeviceInformation and the tools say."""

VERSION = "0.1.0"
