CREATE TABLE tsugi_package (
    id {BLOB} PRIMARY KEY,
    name TEXT NOT NULL,
    services TEXT NOT NULL,
    stands {INT} NOT NULL,
    at {INT} NOT NULL
) {KEYED};
