"""The analytics configuration as the media services show it: tt:VideoAnalyticsConfiguration."""

from typing import Any

from firmware.analytics.engine import CONFIGURATION, Engine, ObjectFilter

_MODULE, _RULE = "vc:ObjectTracker", "tt:ObjectDetection"


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
            "AnalyticsEngineConfiguration": {"AnalyticsModule": [_config(_MODULE, module) for module in now.modules]},
            "RuleEngineConfiguration": {"Rule": [_config(_RULE, rule) for rule in now.rules]},
        }


def _config(type_: str, choice: ObjectFilter) -> dict[str, Any]:
    items = (("ClassFilter", " ".join(choice.classes)), ("ConfidenceLevel", f"{choice.likelihood:g}"))
    return {
        "Name": choice.name,
        "Type": type_,
        "Parameters": {"SimpleItem": [{"Name": name, "Value": value} for name, value in items]},
    }
