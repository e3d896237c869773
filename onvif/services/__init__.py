"""The services that camera and box answer alike; what only one of them has lies in its own package."""
