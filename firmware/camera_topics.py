"""Every topic that a camera of ours publishes."""

from firmware.analytics.rules import RULE_TOPICS
from onvif.events import topics

CAMERA_TOPICS: tuple[topics.Topic, ...] = (*topics.CAMERA, *RULE_TOPICS)
