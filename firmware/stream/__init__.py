"""From the sensor to the streams: threads, bounded queues and what they count."""
