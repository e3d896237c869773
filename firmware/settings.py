"""What ONVIF clients may change of a camera, kept in its state directory; one file per section.

    device.json   users, host name, network, clock, scopes
    media.json    profiles and their configurations

A camera that was never configured takes its first values from `camera.toml`. There is no default account: the first
administrator's password is the one of `password_file`, or else one is made up and left in `initial-password` for the
installer to read once.
"""

from collections.abc import Mapping

from base.settings_file import Stored
from firmware.config import CameraConfig
from firmware.media_state import MediaState
from onvif.device_state import DeviceState
from onvif.services.first_account import INITIAL_PASSWORD, ensure_administrator, forget_once_changed
from onvif.users import Level, User


class Settings:
    """The sections and the users in them.

    Raises:
        StoreError: a made-up password cannot be kept.
        ConfigError: the password file cannot be used.
    """

    def __init__(self, config: CameraConfig) -> None:
        self._folder = config.state
        self.device = Stored(config.state / "device.json", DeviceState(scopes=config.scopes))
        self.media = Stored(config.state / "media.json", MediaState())
        ensure_administrator(self.device, config.state, config.password_file)
        forget_once_changed(self.device, config.state)

    def accounts(self) -> Mapping[str, User]:
        """The users at this moment, by name."""
        return {user.name: user for user in self.device.value.users}

    def users(self) -> Mapping[str, tuple[str, Level]]:
        """Password and level by user name, for the RTSP server."""
        return {user.name: (user.password, user.level) for user in self.device.value.users}

    def factory_default(self, *, hard: bool) -> None:
        """Forget what clients set. A soft default keeps the users and how the device is reached."""
        kept = self.device.value
        if hard:
            (self._folder / INITIAL_PASSWORD).unlink(missing_ok=True)
            self.device.reset()
        else:
            self.device.reset(
                users=kept.users, hostname=kept.hostname, hostname_from_dhcp=kept.hostname_from_dhcp,
                dns_from_dhcp=kept.dns_from_dhcp, dns_search=kept.dns_search, dns_servers=kept.dns_servers,
                gateways=kept.gateways, interfaces=kept.interfaces, protocols=kept.protocols,
                zero_configuration=kept.zero_configuration, metadata_version=kept.metadata_version + 1,
            )  # fmt: skip
        self.media.reset()
