-- The box's truth. Times are UTC in microseconds. One writer; see nvr_box/db/database.py.
-- Later changes lie beside this file, one number each: nvr_box/db/migrate.py.

CREATE TABLE IF NOT EXISTS fact (            -- single values: schema, clock, damage, …
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS camera (
    camera           INTEGER PRIMARY KEY AUTOINCREMENT,
    name             TEXT NOT NULL,
    xaddr            TEXT NOT NULL,
    user             TEXT NOT NULL,
    password         TEXT NOT NULL,          -- the box must sign in again by itself; the file is mode 0600
    stream_uri       TEXT NOT NULL,
    profile          TEXT NOT NULL,
    manufacturer     TEXT NOT NULL,
    model            TEXT NOT NULL,
    serial           TEXT NOT NULL,
    camera_id        TEXT UNIQUE,            -- hex; NULL for a camera of another make
    signing_key      TEXT,
    appearance_model TEXT,
    push_token       TEXT UNIQUE,            -- SHA-256, hex, of what the camera signs in with
    paired           INTEGER NOT NULL DEFAULT 0,
    sealed_to        TEXT NOT NULL DEFAULT '', -- key ids that it seals the originals to, as last told
    recording        INTEGER NOT NULL DEFAULT 1,
    removed          INTEGER NOT NULL DEFAULT 0,
    added_utc_us     INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS stream_account (  -- what a camera of ours made for fetching its streams, at pairing
    camera   INTEGER PRIMARY KEY,
    user     TEXT NOT NULL,
    password TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS feed (            -- what is recorded instead of the camera's own stream
    recording INTEGER PRIMARY KEY,           -- a camera's number
    source    INTEGER,                       -- the camera whose own stream it is, else
    uri       TEXT NOT NULL,                 -- an address; empty for nothing
    user      TEXT NOT NULL,
    password  TEXT NOT NULL,
    transport TEXT NOT NULL                  -- tcp, udp, http
) STRICT;

CREATE TABLE IF NOT EXISTS keep (            -- the longest that a recording may be kept, as an ONVIF client set it
    camera INTEGER PRIMARY KEY,
    keep_s INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS segment (         -- row => file with this size and hash
    segment   INTEGER PRIMARY KEY AUTOINCREMENT,
    camera    INTEGER NOT NULL,
    start_us  INTEGER NOT NULL,
    end_us    INTEGER NOT NULL,
    path      TEXT NOT NULL UNIQUE,          -- below the recordings folder
    bytes     INTEGER NOT NULL,
    sha256    BLOB NOT NULL,
    mime      TEXT NOT NULL,
    gop_index BLOB NOT NULL,                 -- nvr_box/record/gop_index.py
    locked    INTEGER NOT NULL DEFAULT 0,    -- evidence: retention spares it
    garbage   INTEGER NOT NULL DEFAULT 0,    -- its file is about to be unlinked
    clock_error_us INTEGER NOT NULL DEFAULT 0, -- the box's clock was doubted by this when it was written; nvr_box/timekeeping/timekeeper.py
    seen_bytes INTEGER NOT NULL DEFAULT 0    -- of the file of sightings beside it
) STRICT;
CREATE INDEX IF NOT EXISTS segment_in_time ON segment (camera, start_us, end_us, locked) WHERE garbage = 0;
CREATE INDEX IF NOT EXISTS segment_by_age ON segment (camera, end_us - clock_error_us) WHERE garbage = 0;
CREATE INDEX IF NOT EXISTS segment_by_type ON segment (camera, mime, start_us) WHERE garbage = 0;
CREATE INDEX IF NOT EXISTS segment_garbage ON segment (segment) WHERE garbage = 1;
CREATE INDEX IF NOT EXISTS segment_doubted ON segment (clock_error_us) WHERE clock_error_us != 0;

CREATE TABLE IF NOT EXISTS usage (           -- kept by the triggers below, so that nobody counts a history
    camera             INTEGER PRIMARY KEY,
    bytes              INTEGER NOT NULL DEFAULT 0,
    span_us            INTEGER NOT NULL DEFAULT 0, -- recorded time
    longest_us         INTEGER NOT NULL DEFAULT 0, -- the longest segment ever: what touches a time began at most this before
    packets            INTEGER NOT NULL DEFAULT 0,
    shot_bytes         INTEGER NOT NULL DEFAULT 0, -- of best shots
    longest_passage_us INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TRIGGER IF NOT EXISTS usage_of_new_segment AFTER INSERT ON segment WHEN new.garbage = 0
BEGIN
    INSERT INTO usage (camera, bytes, span_us, longest_us)
        VALUES (new.camera, new.bytes + new.seen_bytes, new.end_us - new.start_us, new.end_us - new.start_us)
        ON CONFLICT (camera) DO UPDATE SET bytes = bytes + excluded.bytes, span_us = span_us + excluded.span_us,
            longest_us = max(longest_us, excluded.longest_us);
END;
CREATE TRIGGER IF NOT EXISTS usage_of_gone_segment AFTER DELETE ON segment WHEN old.garbage = 0
BEGIN
    UPDATE usage SET bytes = bytes - old.bytes - old.seen_bytes, span_us = span_us - (old.end_us - old.start_us)
        WHERE camera = old.camera;
END;
CREATE TRIGGER IF NOT EXISTS usage_of_changed_segment
AFTER UPDATE OF camera, start_us, end_us, bytes, seen_bytes, garbage ON segment
BEGIN
    UPDATE usage SET bytes = bytes - old.bytes - old.seen_bytes, span_us = span_us - (old.end_us - old.start_us)
        WHERE old.garbage = 0 AND camera = old.camera;
    UPDATE usage SET bytes = bytes + new.bytes + new.seen_bytes, span_us = span_us + new.end_us - new.start_us,
        longest_us = max(longest_us, new.end_us - new.start_us) WHERE new.garbage = 0 AND camera = new.camera;
END;

CREATE TABLE IF NOT EXISTS hold (            -- legal holds; nvr_box/custody/holds.py
    hold      INTEGER PRIMARY KEY AUTOINCREMENT,
    name      TEXT NOT NULL,                 -- of the case
    camera    INTEGER NOT NULL,
    start_us  INTEGER NOT NULL,
    end_us    INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    who       TEXT NOT NULL,
    placed_us INTEGER NOT NULL,
    kept      INTEGER NOT NULL DEFAULT 0,    -- groups of pictures whose keys are sealed to the case
    missed    INTEGER NOT NULL DEFAULT 0,    -- those that no passphrase opened when they were
    lifted_us INTEGER                        -- NULL while it is on
) STRICT;
CREATE INDEX IF NOT EXISTS hold_by_time ON hold (camera, start_us);

CREATE VIEW IF NOT EXISTS loose AS           -- the segments that retention may take
SELECT * FROM segment WHERE locked = 0 AND garbage = 0 AND NOT EXISTS (
    SELECT 1 FROM hold WHERE hold.camera = segment.camera AND hold.lifted_us IS NULL
        AND hold.start_us < segment.end_us AND hold.end_us > segment.start_us);

CREATE TABLE IF NOT EXISTS event (           -- what cameras told over ONVIF while they were recorded
    event     INTEGER PRIMARY KEY AUTOINCREMENT,
    camera    INTEGER NOT NULL,
    utc_us    INTEGER NOT NULL,
    topic     TEXT NOT NULL,
    operation TEXT NOT NULL,                 -- Initialized, Changed, Deleted; empty for an event without a state
    items     TEXT NOT NULL                  -- JSON [source, key, data], each [[name, value], ...]
) STRICT;
CREATE INDEX IF NOT EXISTS event_by_time ON event (camera, utc_us);
CREATE INDEX IF NOT EXISTS event_by_age ON event (utc_us);
CREATE INDEX IF NOT EXISTS event_by_topic ON event (topic);

CREATE TABLE IF NOT EXISTS packet (
    packet     INTEGER PRIMARY KEY AUTOINCREMENT,
    camera     INTEGER NOT NULL,
    camera_id  BLOB NOT NULL,
    sequence   INTEGER NOT NULL,
    track      INTEGER NOT NULL,
    class      INTEGER NOT NULL,
    first_us   INTEGER NOT NULL,
    best_us    INTEGER NOT NULL,
    last_us    INTEGER NOT NULL,
    quality    REAL NOT NULL,
    model      TEXT NOT NULL,                -- of the code; empty when the packet has none
    code       BLOB NOT NULL,                -- signed bytes
    box        TEXT NOT NULL,                -- JSON [x, y, width, height] of the best shot, shares of the picture
    colours    TEXT NOT NULL,                -- JSON [[part, colour, share], ...], numbers of wire/features/vocabulary.py
    attributes TEXT NOT NULL,                -- JSON [[attribute, value, confidence], ...]
    provenance TEXT NOT NULL,
    UNIQUE (camera_id, sequence)
) STRICT;
CREATE INDEX IF NOT EXISTS packet_in_time ON packet (camera, first_us, last_us, best_us, class);
CREATE INDEX IF NOT EXISTS packet_by_age ON packet (best_us, last_us);
CREATE INDEX IF NOT EXISTS packet_of_track ON packet (camera, track, first_us);

CREATE TRIGGER IF NOT EXISTS usage_of_new_packet AFTER INSERT ON packet
BEGIN
    INSERT INTO usage (camera, packets, longest_passage_us) VALUES (new.camera, 1, new.last_us - new.first_us)
        ON CONFLICT (camera) DO UPDATE SET packets = packets + 1,
            longest_passage_us = max(longest_passage_us, excluded.longest_passage_us);
END;
CREATE TRIGGER IF NOT EXISTS usage_of_gone_packet BEFORE DELETE ON packet -- before its best shot goes with it
BEGIN
    UPDATE usage SET packets = packets - 1,
        shot_bytes = shot_bytes - coalesce((SELECT length(jpeg) FROM best_shot WHERE packet = old.packet), 0)
        WHERE camera = old.camera;
END;

CREATE TABLE IF NOT EXISTS block (           -- rows of packet as columns, for a quick start; nvr_box/search/blocks.py
    block  INTEGER PRIMARY KEY,              -- the first packet
    last   INTEGER NOT NULL,                 -- and the last one; no packet between them is missing in it
    form   TEXT NOT NULL,
    models TEXT NOT NULL,                    -- JSON [name, ...]
    data   BLOB NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS block_of_gone_packet AFTER DELETE ON packet
BEGIN
    DELETE FROM block WHERE block = (SELECT block FROM block WHERE block <= old.packet ORDER BY block DESC LIMIT 1)
        AND last >= old.packet;
END;
CREATE TRIGGER IF NOT EXISTS block_of_changed_packet AFTER UPDATE ON packet
BEGIN
    DELETE FROM block WHERE block = (SELECT block FROM block WHERE block <= old.packet ORDER BY block DESC LIMIT 1)
        AND last >= old.packet;
END;

CREATE TABLE IF NOT EXISTS best_shot (       -- apart, so that scanning packets reads no pictures
    packet INTEGER PRIMARY KEY REFERENCES packet ON DELETE CASCADE,
    jpeg   BLOB NOT NULL,                    -- masked, the original sealed inside: wire/thumbnail.md
    sealed BLOB NOT NULL                     -- ids of the keys it is sealed to, 8 bytes each; empty for no original
) STRICT;
CREATE TRIGGER IF NOT EXISTS usage_of_new_shot AFTER INSERT ON best_shot
BEGIN
    UPDATE usage SET shot_bytes = shot_bytes + length(new.jpeg)
        WHERE camera = (SELECT camera FROM packet WHERE packet = new.packet);
END;
CREATE TRIGGER IF NOT EXISTS usage_of_gone_shot AFTER DELETE ON best_shot
BEGIN
    UPDATE usage SET shot_bytes = shot_bytes - length(old.jpeg)
        WHERE camera = (SELECT camera FROM packet WHERE packet = old.packet);
END;

CREATE TABLE IF NOT EXISTS endpoint (
    camera   INTEGER PRIMARY KEY,
    endpoint TEXT NOT NULL                   -- by which discovery knows it, wherever it is
) STRICT;

CREATE TABLE IF NOT EXISTS account (
    name     TEXT PRIMARY KEY,
    verifier TEXT NOT NULL,                  -- scrypt$n$r$p$salt$hash, hex
    rights   TEXT NOT NULL,                  -- JSON [right, ...]
    cameras  TEXT NOT NULL                   -- JSON null or [camera, ...]
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS audit (
    number  INTEGER PRIMARY KEY,             -- 1, 2, 3 … without a hole
    utc_us  INTEGER NOT NULL,
    who     TEXT NOT NULL,
    action  TEXT NOT NULL,
    camera  INTEGER,
    reason  TEXT NOT NULL,
    granted INTEGER NOT NULL,
    details TEXT NOT NULL,
    hash    BLOB NOT NULL                    -- SHA-256 over the previous hash and this entry; nvr_box/audit/log.py
) STRICT;
CREATE TRIGGER IF NOT EXISTS audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_is_not_shortened BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
