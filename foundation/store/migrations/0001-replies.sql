CREATE TABLE tsugi_step (
    number {INT} PRIMARY KEY,
    hash {BLOB} NOT NULL,
    at {INT} NOT NULL
) {PLAIN};

CREATE TABLE tsugi_epoch (
    grp TEXT NOT NULL,
    member TEXT NOT NULL,
    incarnation {INT} NOT NULL,
    counter {INT} NOT NULL,
    run {INT} NOT NULL,
    node TEXT NOT NULL,
    since {INT} NOT NULL,
    PRIMARY KEY (grp, member)
) {KEYED};

CREATE TABLE tsugi_client (
    no {NUMBER} PRIMARY KEY,
    who {BLOB} NOT NULL,
    incarnation {INT} NOT NULL,
    watermark {INT} NOT NULL,
    at {INT} NOT NULL
) {PLAIN};
CREATE UNIQUE INDEX tsugi_client_who ON tsugi_client (who, incarnation);

CREATE TABLE tsugi_client_floor (
    who {BLOB} NOT NULL,
    incarnation {INT} NOT NULL,
    PRIMARY KEY (who)
) {KEYED};

CREATE TABLE tsugi_reply (
    client {INT} NOT NULL,
    serial {INT} NOT NULL,
    kind {INT} NOT NULL,
    lowest {INT} NOT NULL,
    service {INT} NOT NULL,
    interface {INT} NOT NULL,
    digest {BLOB} NOT NULL,
    attempt {INT} NOT NULL,
    at {INT} NOT NULL,
    status {INT} NOT NULL,
    body {BLOB},
    long_body {INT},
    PRIMARY KEY (client, serial)
) {KEYED} {HOT};
CREATE INDEX tsugi_reply_open ON tsugi_reply (kind) WHERE kind IN (1, 6);

CREATE TABLE tsugi_keyed (
    key {BLOB} PRIMARY KEY,
    kind {INT} NOT NULL,
    service {INT},
    interface {INT},
    digest {BLOB},
    attempt {INT},
    at {INT},
    status {INT},
    body {BLOB},
    long_body {INT}
) {KEYED} {HOT};
CREATE INDEX tsugi_keyed_open ON tsugi_keyed (kind) WHERE kind IN (1, 6);

CREATE TABLE tsugi_body (
    no {NUMBER} PRIMARY KEY,
    content_type TEXT NOT NULL,
    data {BLOB} NOT NULL
) {PLAIN};
