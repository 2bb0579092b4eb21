CREATE TABLE tsugi_member (
    grp TEXT NOT NULL,
    member TEXT NOT NULL,
    sessions TEXT NOT NULL,
    version TEXT NOT NULL,
    at {INT} NOT NULL,
    PRIMARY KEY (grp, member)
) {KEYED};

CREATE TABLE tsugi_change (
    session TEXT NOT NULL,
    number {INT} NOT NULL,
    PRIMARY KEY (session, number)
) {KEYED};
