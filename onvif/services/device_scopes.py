"""Scopes and discovery mode (ONVIF Core 26.06, 7.3.2 and 8.1): what the device says of itself on the network."""

from onvif.errors import Fault, impossible, invalid
from onvif.names import SCOPE_ROOT
from onvif.service import Call, Reply, operation
from onvif.services.device_context import DeviceContext

MOST_SCOPES = 32
LONGEST_SCOPE = 128


class Scopes:
    """The handlers of scopes and discovery mode."""

    def __init__(self, context: DeviceContext) -> None:
        self._context = context

    @operation("GetScopes")
    async def get_scopes(self, _call: Call) -> Reply:
        fixed = [{"ScopeDef": "Fixed", "ScopeItem": scope} for scope in self._fixed]
        return {"Scopes": fixed + [{"ScopeDef": "Configurable", "ScopeItem": scope} for scope in self._configurable]}

    @operation("SetScopes")
    async def set_scopes(self, call: Call) -> Reply:
        wanted = _checked([str(scope) for scope in call.request.Scopes])
        if any(scope in self._fixed for scope in wanted):
            raise Fault("a fixed scope cannot be set", "OperationProhibited", "ScopeOverwrite")
        self._set(wanted)
        return None

    @operation("AddScopes")
    async def add_scopes(self, call: Call) -> Reply:
        added = _checked([str(scope) for scope in call.request.ScopeItem])
        known = (*self._fixed, *self._configurable)
        self._set([*self._configurable, *(scope for scope in added if scope not in known)])
        return None

    @operation("RemoveScopes")
    async def remove_scopes(self, call: Call) -> Reply:
        unwanted = [str(scope) for scope in call.request.ScopeItem]
        for scope in unwanted:
            if scope in self._fixed:
                raise Fault(f"{scope} is fixed", "OperationProhibited", "FixedScope")
            if scope not in self._configurable:
                raise invalid(f"there is no scope {scope}", "NoScope")
        self._set([scope for scope in self._configurable if scope not in unwanted])
        return {"ScopeItem": unwanted}

    @operation("GetDiscoveryMode")
    async def get_discovery_mode(self, _call: Call) -> Reply:
        return {"DiscoveryMode": "Discoverable" if self._context.state.value.discoverable else "NonDiscoverable"}

    @operation("SetDiscoveryMode")
    async def set_discovery_mode(self, call: Call) -> Reply:
        self._context.announce_change(discoverable=call.request.DiscoveryMode == "Discoverable")
        return None

    @property
    def _fixed(self) -> tuple[str, ...]:
        return self._context.identity.fixed_scopes

    @property
    def _configurable(self) -> tuple[str, ...]:
        return self._context.state.value.scopes

    def _set(self, scopes: list[str]) -> None:
        if len(scopes) > MOST_SCOPES:
            raise impossible(f"at most {MOST_SCOPES} scopes can be set", "TooManyScopes")
        self._context.announce_change(scopes=tuple(dict.fromkeys(scopes)))


def _checked(scopes: list[str]) -> list[str]:
    for scope in scopes:
        if not scope.startswith(SCOPE_ROOT) or len(scope) > LONGEST_SCOPE or any(sign.isspace() for sign in scope):
            raise invalid(
                f"a scope starts with {SCOPE_ROOT} and has at most {LONGEST_SCOPE} characters", "InvalidScope"
            )
    return scopes
