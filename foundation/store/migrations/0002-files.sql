CREATE TABLE tsugi_file (
    no {NUMBER} PRIMARY KEY,
    name TEXT NOT NULL,
    kind {INT} NOT NULL,
    shortest {INT} NOT NULL,
    longest {INT} NOT NULL,
    keys {BLOB} NOT NULL,
    generation {INT} NOT NULL,
    most {INT},
    records {INT} NOT NULL,
    at {INT} NOT NULL
) {PLAIN};
CREATE UNIQUE INDEX tsugi_file_name ON tsugi_file (name);

CREATE TABLE tsugi_generation (
    no {NUMBER} PRIMARY KEY,
    over {INT} NOT NULL
) {PLAIN};
CREATE INDEX tsugi_generation_over ON tsugi_generation (no) WHERE over = 1;

CREATE TABLE tsugi_record (
    generation {INT} NOT NULL,
    key {BLOB} NOT NULL,
    record {BLOB} NOT NULL,
    PRIMARY KEY (generation, key)
) {KEYED} {HOT};

CREATE TABLE tsugi_entry (
    generation {INT} NOT NULL,
    number {INT} NOT NULL,
    key {BLOB} NOT NULL,
    place {INT} NOT NULL,
    record {BLOB} NOT NULL,
    PRIMARY KEY (generation, number, key, place)
) {KEYED};
CREATE UNIQUE INDEX tsugi_entry_of ON tsugi_entry (generation, number, record);
