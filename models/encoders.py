"""Which encoder makes the appearance codes."""

from base.errors import ModelError
from models import appearance_net
from models.appearance import Encoder, Stripes
from models.config import ModelsConfig
from models.registry import ModelRegistry
from models.runtime import InferenceSession


def encoder(session: InferenceSession, registry: ModelRegistry, config: ModelsConfig) -> Encoder:
    """The encoder that the configuration names; `session` is the detector's, whose backbone "stripes" shares.

    Raises:
        ModelError: no encoder has that name, or its weights cannot be trusted.
    """
    permissive = Stripes(session, registry, config)
    if config.appearance == "stripes":
        return permissive
    if config.appearance == appearance_net.NAME:
        return appearance_net.load(config, registry, permissive)
    raise ModelError(f"appearance {config.appearance!r} is not a known encoder; known: stripes, {appearance_net.NAME}")
