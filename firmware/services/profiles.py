"""Media profiles: making, changing and finding them; both media services stand on this.

Every change is persisted and said on the bus as tns1:Media/ProfileChanged (ONVIF Media 2, 26.06, 5.2 and 5.10).
"""

from dataclasses import replace

from firmware.media_state import ANALYTICS, METADATA, MOST_PROFILES, SOURCE, MediaProfile, MediaState
from firmware.services.video import Encoders
from firmware.settings import Settings
from onvif.errors import Fault, impossible, invalid
from onvif.events.bus import Bus

KINDS = {"VideoSource": "source", "VideoEncoder": "encoder", "Metadata": "metadata", "Analytics": "analytics"}
"""Media 2's configuration types that this camera has, and the field of a profile that each fills."""


class Profiles:
    """The profiles of one camera."""

    def __init__(self, settings: Settings, encoders: Encoders, bus: Bus) -> None:
        self._settings = settings
        self._encoders = encoders
        self._bus = bus

    def all(self) -> tuple[MediaProfile, ...]:
        return self._state.profiles

    def get(self, token: str) -> MediaProfile:
        """Raises Fault ter:InvalidArgVal/ter:NoProfile."""
        for profile in self._state.profiles:
            if profile.token == token:
                return profile
        raise invalid(f"there is no profile {str(token)[:64]!r}", "NoProfile")

    def create(self, name: str, *, token: str = "") -> MediaProfile:
        """A new, empty profile; raises ter:ProfileExists or ter:MaxNVTProfiles."""
        state = self._state
        if token and any(profile.token == token for profile in state.profiles):
            raise invalid(f"the profile {token[:64]!r} exists", "ProfileExists")
        if len(state.profiles) >= MOST_PROFILES:
            raise impossible(f"at most {MOST_PROFILES} profiles", "MaxNVTProfiles")
        number = state.next_profile
        while not token or any(profile.token == token for profile in state.profiles):
            token, number = f"profile{number}", number + 1
        profile = MediaProfile(token, name)
        self._settings.media.change(profiles=(*state.profiles, profile), next_profile=number)
        self._changed(token)
        return profile

    def delete(self, token: str) -> None:
        profile = self.get(token)
        if profile.fixed:
            raise Fault(f"the profile {token} is fixed", "Action", "DeletionOfFixedProfile")
        self._settings.media.change(
            profiles=tuple(kept for kept in self.all() if kept.token != token),
            multicasting=tuple(kept for kept in self._state.multicasting if kept != token),
        )
        self._changed(token)

    def multicast(self, token: str, *, on: bool) -> None:
        """Send a profile to its multicast groups from now on, across restarts, or no more."""
        others = tuple(sent for sent in self._state.multicasting if sent != token)
        self._settings.media.change(multicasting=(*others, token) if on else others)

    def multicasts(self, configuration: str) -> bool:
        """Whether a profile with this configuration was started."""
        return any(
            profile.token in self._state.multicasting and configuration in (profile.encoder, profile.metadata)
            for profile in self.all()
        )

    def assign(self, token: str, kind: str, configuration: str) -> None:
        """Put a configuration into a profile; raises ter:NoProfile, ter:NoConfig or ter:ConfigurationConflict."""
        self.get(token)
        self._set(token, {kind: self.checked(kind, configuration)})

    def set(self, token: str, *, name: str | None = None, **configurations: str) -> None:
        """Change name and configurations of a profile in one step."""
        profile = self.get(token)
        self._set(token, {**configurations, "name": name if name is not None else profile.name})

    def checked(self, kind: str, configuration: str) -> str:
        """The token, if a configuration of that kind has it; Media 2 lets the device choose when it is empty."""
        known = self.known(kind)
        if not configuration:
            return known[0]
        if configuration not in known:
            raise invalid(f"there is no configuration {configuration[:64]!r} of this kind", "NoConfig")
        return configuration

    def known(self, kind: str) -> tuple[str, ...]:
        """Tokens of the configurations that a field of a profile may hold."""
        return {"source": (SOURCE,), "encoder": self._encoders.tokens, "metadata": (METADATA,),
                "analytics": (ANALYTICS,)}[kind]  # fmt: skip

    def uses(self, kind: str, configuration: str) -> int:
        """UseCount of a configuration."""
        return sum(getattr(profile, kind) == configuration for profile in self.all())

    def configuration_changed(self, token: str, kind: str) -> None:
        """Say tns1:Media/ConfigurationChanged; `kind` is Media 2's word."""
        self._bus.publish("tns1:Media/ConfigurationChanged", source={"Token": token, "Type": kind})

    @property
    def _state(self) -> MediaState:
        return self._settings.media.value

    def _set(self, token: str, changes: dict[str, str]) -> None:
        profiles = tuple(
            replace(profile, **changes) if profile.token == token else profile  # type: ignore[arg-type]  # names, tokens
            for profile in self.all()
        )
        if profiles != self.all():
            self._settings.media.change(profiles=profiles)
        self._changed(token)

    def _changed(self, token: str) -> None:
        self._bus.publish("tns1:Media/ProfileChanged", source={"Token": token})
