"""Events as ONVIF means them (ONVIF Core 26.06, 9): topics, messages, filters, subscriptions, brokers.

`topics` says what can happen, `bus` what has happened, `filters` what a client wants to hear, `subscriptions` keeps its
queue and its clock, `mqtt` carries the same messages to a broker. The SOAP face is `onvif.services.events`.
"""

from onvif.events.bus import Bus, Event, PropertyOperation
from onvif.events.topics import Topic

__all__ = ["Bus", "Event", "PropertyOperation", "Topic"]
