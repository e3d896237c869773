"""The keystore of a device: keys, certificates, paths and their uses (ONVIF Security Configuration 26.06)."""

from onvif.keystore.keystore import Keystore

__all__ = ["Keystore"]
