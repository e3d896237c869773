"""WS-Discovery (April 2005) as ONVIF profiles it (ONVIF Core 26.06, 7): being found, and finding.

`messages` is the language, without sockets; `responder` answers for a device; `search` looks for others.
"""

from onvif.discovery.messages import Endpoint
from onvif.discovery.responder import Responder
from onvif.discovery.search import DiscoveredDevice, discover

__all__ = ["DiscoveredDevice", "Endpoint", "Responder", "discover"]
