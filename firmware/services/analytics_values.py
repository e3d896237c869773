"""The analytics configuration as the media services show it: tt:VideoAnalyticsConfiguration."""

from typing import Any

from firmware.analytics.engine import CONFIGURATION, Engine
from firmware.services.analytics_config import values


class AnalyticsConfiguration:
    """One configuration, over the modules and rules in force."""

    token = CONFIGURATION

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def configuration(self) -> dict[str, Any]:
        """Everything but UseCount."""
        now = self._engine.settings.value
        return {
            "token": CONFIGURATION,
            "Name": "Analytics",
            "AnalyticsEngineConfiguration": {"AnalyticsModule": [values(module) for module in now.modules]},
            "RuleEngineConfiguration": {"Rule": [values(rule) for rule in now.rules]},
        }
