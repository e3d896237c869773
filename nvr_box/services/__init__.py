"""The box as an ONVIF device (Profile G): recordings for any other client."""
