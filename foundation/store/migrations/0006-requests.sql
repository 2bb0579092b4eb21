ALTER TABLE tsugi_reply ADD COLUMN epoch {INT};
ALTER TABLE tsugi_reply ADD COLUMN asked {BLOB};
ALTER TABLE tsugi_keyed ADD COLUMN epoch {INT};
ALTER TABLE tsugi_keyed ADD COLUMN asked {BLOB};
