CREATE TABLE masking (                       -- what a camera's mask left open, and when; nvr_box/cameras/maskings.py
    masking      INTEGER PRIMARY KEY AUTOINCREMENT,
    camera       INTEGER NOT NULL,
    start_us     INTEGER NOT NULL,           -- the last time that something else was known before
    confirmed_us INTEGER NOT NULL,           -- when the camera said it last, to the minute
    end_us       INTEGER,                    -- when it was known to be over; NULL while it is not
    said         TEXT NOT NULL               -- JSON of nvr_box/cameras/masking.py
) STRICT;
CREATE INDEX masking_in_time ON masking (camera, end_us, start_us);
