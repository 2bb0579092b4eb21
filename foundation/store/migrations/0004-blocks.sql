CREATE TABLE tsugi_block (
    service {INT} PRIMARY KEY,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    at {INT} NOT NULL
) {PLAIN};

{LITE}CREATE TABLE tsugi_clients (one INTEGER PRIMARY KEY, number INTEGER NOT NULL) STRICT;
{LITE}INSERT INTO tsugi_clients (one, number) SELECT 1, count(*) FROM tsugi_client;
