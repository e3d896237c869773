"""ONVIF for both ends: schemas, SOAP server and client, authentication, discovery, events, metadata, streaming."""
