//! Every statement on our own tables, once for both back ends, with parameters as SQLite counts
//! them. Each begins with [`OURS`], so that no statement of a program is ever taken for one of
//! them where prepared statements are kept by their text.

/// How our statements begin, and those of programs may not.
pub(crate) const OURS: &str = "/*tsugi*/";

/// The statement that every unit of work rests on.
pub(crate) const EPOCH: &str = "/*tsugi*/ SELECT incarnation, counter, run FROM tsugi_epoch \
    WHERE grp = ?1 AND member = ?2";

/// Changes a row only where it has seen nothing higher.
pub(crate) const CLAIM: &str = "/*tsugi*/ INSERT INTO tsugi_epoch \
    (grp, member, incarnation, counter, run, node, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
    ON CONFLICT (grp, member) DO UPDATE SET incarnation = excluded.incarnation, \
    counter = excluded.counter, run = excluded.run, node = excluded.node, \
    since = excluded.since WHERE (tsugi_epoch.incarnation, tsugi_epoch.counter) <= \
    (excluded.incarnation, excluded.counter)";

pub(crate) const STEPS: &str = "/*tsugi*/ SELECT number, hash FROM tsugi_step ORDER BY number";

pub(crate) const STEP_DONE: &str =
    "/*tsugi*/ INSERT INTO tsugi_step (number, hash, at) VALUES (?1, ?2, ?3)";

/// A client, its own watermark, and the highest *lowest* that stands beside a reply. A row that
/// tells a lowest is not among those that it confirms, so the highest is always there.
pub(crate) const CLIENT: &str = "/*tsugi*/ SELECT no, watermark, \
    (SELECT max(lowest) FROM tsugi_reply WHERE client = no) FROM tsugi_client \
    WHERE who = ?1 AND incarnation = ?2";

/// As [`CLIENT`], with the highest serial that is there.
pub(crate) const CLIENT_SEEN: &str = "/*tsugi*/ SELECT no, watermark, \
    (SELECT max(lowest) FROM tsugi_reply WHERE client = no), \
    (SELECT max(serial) FROM tsugi_reply WHERE client = no) FROM tsugi_client \
    WHERE who = ?1 AND incarnation = ?2";

pub(crate) const PACKAGES: &str =
    "/*tsugi*/ SELECT id, name, services, stands, at FROM tsugi_package ORDER BY name, at, id";

pub(crate) const KEEP_PACKAGE: &str = "/*tsugi*/ INSERT INTO tsugi_package \
    (id, name, services, stands, at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING";

/// The current one of the same name is former from now on.
pub(crate) const REPLACE_PACKAGE: &str = "/*tsugi*/ UPDATE tsugi_package \
    SET stands = ?3, at = ?4 WHERE stands = ?2 AND id <> ?1 \
    AND name = (SELECT name FROM tsugi_package WHERE id = ?1)";

pub(crate) const MAKE_PACKAGE: &str =
    "/*tsugi*/ UPDATE tsugi_package SET stands = ?2, at = ?3 WHERE id = ?1";

pub(crate) const DELETE_PACKAGE: &str = "/*tsugi*/ DELETE FROM tsugi_package WHERE id = ?1";

#[cfg(feature = "pg")]
pub(crate) const CLIENTS: &str = "/*tsugi*/ SELECT count(*) FROM tsugi_client";

/// How many clients there are, kept by who makes one or takes one away: a count of all would be
/// one for each client that is new.
pub(crate) const CLIENTS_KEPT: &str = "/*tsugi*/ SELECT number FROM tsugi_clients WHERE one = 1";

pub(crate) const COUNT_CLIENT: &str =
    "/*tsugi*/ UPDATE tsugi_clients SET number = number + ?1 WHERE one = 1";

pub(crate) const BLOCKS: &str = "/*tsugi*/ SELECT service, who, why, at FROM tsugi_block";

pub(crate) const KEEP_BLOCK: &str = "/*tsugi*/ INSERT INTO tsugi_block (service, who, why, at) \
    VALUES (?1, ?2, ?3, ?4) ON CONFLICT (service) DO UPDATE SET who = excluded.who, \
    why = excluded.why, at = excluded.at RETURNING service";

pub(crate) const DROP_BLOCK: &str =
    "/*tsugi*/ DELETE FROM tsugi_block WHERE service = ?1 RETURNING service";

pub(crate) const FLOOR: &str = "/*tsugi*/ SELECT incarnation FROM tsugi_client_floor \
    WHERE who = ?1";

pub(crate) const NEW_CLIENT: &str = "/*tsugi*/ INSERT INTO tsugi_client \
    (who, incarnation, watermark, at) VALUES (?1, ?2, 0, ?3) \
    ON CONFLICT (who, incarnation) DO NOTHING RETURNING no";

pub(crate) const REPLY: &str = "/*tsugi*/ SELECT r.kind, r.service, r.interface, r.digest, \
    r.attempt, r.at, r.status, r.body, b.content_type, b.data \
    FROM tsugi_reply r LEFT JOIN tsugi_body b ON b.no = r.long_body \
    WHERE r.client = ?1 AND r.serial = ?2";

pub(crate) const KEYED: &str = "/*tsugi*/ SELECT r.kind, r.service, r.interface, r.digest, \
    r.attempt, r.at, r.status, r.body, b.content_type, b.data \
    FROM tsugi_keyed r LEFT JOIN tsugi_body b ON b.no = r.long_body WHERE r.key = ?1";

/// All that is committed of a call of a client: epoch, client, what it has confirmed by its highest
/// *lowest*, how many rows the call itself confirms (-1 of a client without a first reply), the
/// client's floor, the reply, and where its row stands. One statement, so that all is of one
/// moment.
#[cfg(feature = "pg")]
pub(crate) const JUDGE_SERIAL: &str = "/*tsugi*/ SELECT e.incarnation, e.counter, e.run, \
    c.no, c.watermark, (SELECT max(l.lowest) FROM tsugi_reply l WHERE l.client = c.no), \
    CASE WHEN c.at < 0 THEN -1 \
    ELSE (SELECT count(*) FROM tsugi_reply o WHERE o.client = c.no AND o.serial < ?6) END, \
    (SELECT f.incarnation FROM tsugi_client_floor f WHERE f.who = ?3), \
    r.kind, r.service, r.interface, r.digest, r.attempt, r.at, r.status, r.body, \
    b.content_type, b.data, r.ctid::text FROM tsugi_epoch e \
    LEFT JOIN tsugi_client c ON c.who = ?3 AND c.incarnation = ?4 \
    LEFT JOIN tsugi_reply r ON r.client = c.no AND r.serial = ?5 \
    LEFT JOIN tsugi_body b ON b.no = r.long_body WHERE e.grp = ?1 AND e.member = ?2";

/// All that is committed under a serial and of its client, of one moment; the highest serial that
/// is there among it.
#[cfg(feature = "pg")]
pub(crate) const SEEN_SERIAL: &str = "/*tsugi*/ SELECT c.no, c.watermark, \
    (SELECT max(l.lowest) FROM tsugi_reply l WHERE l.client = c.no), \
    (SELECT max(h.serial) FROM tsugi_reply h WHERE h.client = c.no), f.incarnation, \
    r.kind, r.service, r.interface, r.digest, r.attempt, r.at, r.status, r.body, \
    b.content_type, b.data FROM (SELECT 1) one \
    LEFT JOIN tsugi_client c ON c.who = ?1 AND c.incarnation = ?2 \
    LEFT JOIN tsugi_client_floor f ON f.who = ?1 \
    LEFT JOIN tsugi_reply r ON r.client = c.no AND r.serial = ?3 \
    LEFT JOIN tsugi_body b ON b.no = r.long_body";

#[cfg(feature = "pg")]
pub(crate) const JUDGE_KEY: &str = "/*tsugi*/ SELECT e.incarnation, e.counter, e.run, \
    r.kind, r.service, r.interface, r.digest, r.attempt, r.at, r.status, r.body, \
    b.content_type, b.data, r.ctid::text FROM tsugi_epoch e LEFT JOIN tsugi_keyed r ON r.key = ?3 \
    LEFT JOIN tsugi_body b ON b.no = r.long_body WHERE e.grp = ?1 AND e.member = ?2";

/// Gives a client its number, in a commit of its own: its first calls do not wait for each other.
/// When it was made is negative until it is known when its first reply was written.
#[cfg(feature = "pg")]
pub(crate) const FOUND_CLIENT: &str = "/*tsugi*/ INSERT INTO tsugi_client \
    (who, incarnation, watermark, at) \
    VALUES (?1, ?2, 0, -(extract(epoch FROM clock_timestamp()) * 1000)::bigint) \
    ON CONFLICT (who, incarnation) DO NOTHING RETURNING no";

/// Claims a call's row, under an epoch that is still ours and for a client that is still there.
#[cfg(feature = "pg")]
pub(crate) const CLAIM_REPLY: &str = "/*tsugi*/ INSERT INTO tsugi_reply (client, serial, kind, \
    lowest, service, interface, digest, attempt, at, status) \
    SELECT c.no, ?8::bigint, 2, ?9::bigint, 0, 0, ?6::bytea, 0, 0, 0 \
    FROM tsugi_epoch e, tsugi_client c WHERE c.no = ?7 AND e.grp = ?1 AND e.member = ?2 \
    AND e.incarnation = ?3 AND e.counter = ?4 AND e.run = ?5 \
    ON CONFLICT DO NOTHING RETURNING ctid::text";

#[cfg(feature = "pg")]
pub(crate) const CLAIM_KEY: &str = "/*tsugi*/ INSERT INTO tsugi_keyed (key, kind, service, \
    interface, digest, attempt, at, status) SELECT ?7::bytea, 2, 0, 0, ?6::bytea, 0, 0, 0 \
    FROM tsugi_epoch e WHERE e.grp = ?1 AND e.member = ?2 \
    AND e.incarnation = ?3 AND e.counter = ?4 AND e.run = ?5 \
    ON CONFLICT DO NOTHING RETURNING ctid::text";

/// Fills the row that was claimed before the program ran. It changes no column of an index.
#[cfg(feature = "pg")]
pub(crate) const FILL_REPLY: &str = "/*tsugi*/ UPDATE tsugi_reply SET kind = ?1, service = ?2, \
    interface = ?3, attempt = ?4, at = ?5, status = ?6, body = ?7, long_body = ?8 \
    WHERE ctid = ?9::text::tid AND client = ?10 AND serial = ?11 \
    RETURNING \
    current_setting('synchronous_commit'), current_setting('application_name')";

#[cfg(feature = "pg")]
pub(crate) const FILL_KEYED: &str = "/*tsugi*/ UPDATE tsugi_keyed SET kind = ?1, service = ?2, \
    interface = ?3, attempt = ?4, at = ?5, status = ?6, body = ?7, long_body = ?8 \
    WHERE ctid = ?9::text::tid AND key = ?10 RETURNING \
    current_setting('synchronous_commit'), current_setting('application_name')";

/// As [`CONFIRMED`], with the bodies.
#[cfg(feature = "pg")]
pub(crate) const DROP_CONFIRMED: &str = "/*tsugi*/ WITH gone AS (DELETE FROM tsugi_reply \
    WHERE client = ?1 AND serial < ?2 AND kind NOT IN (1, 6) RETURNING long_body) \
    DELETE FROM tsugi_body WHERE no IN (SELECT long_body FROM gone)";

#[cfg(feature = "pg")]
pub(crate) const FIRST_CALL: &str = "/*tsugi*/ UPDATE tsugi_client SET at = ?2 \
    WHERE no = ?1 AND at < 0";

pub(crate) const NEW_BODY: &str =
    "/*tsugi*/ INSERT INTO tsugi_body (content_type, data) VALUES (?1, ?2) RETURNING no";

pub(crate) const NEW_REPLY: &str = "/*tsugi*/ INSERT INTO tsugi_reply (client, serial, kind, \
    lowest, service, interface, digest, attempt, at, status, body, long_body) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

pub(crate) const NEW_KEYED: &str = "/*tsugi*/ INSERT INTO tsugi_keyed (key, kind, service, \
    interface, digest, attempt, at, status, body, long_body) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// Keeps that a call is about to act outside the store, or that it was interrupted.
pub(crate) const START_REPLY: &str = "/*tsugi*/ INSERT INTO tsugi_reply (client, serial, kind, \
    lowest, service, interface, digest, attempt, at, status, epoch, asked) \
    VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10)";

pub(crate) const START_KEYED: &str = "/*tsugi*/ INSERT INTO tsugi_keyed (key, kind, service, \
    interface, digest, attempt, at, status, epoch, asked) \
    VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8)";

pub(crate) const INTERRUPT_REPLY: &str = "/*tsugi*/ UPDATE tsugi_reply SET kind = 6 \
    WHERE client = ?1 AND serial = ?2 AND kind = 1";

pub(crate) const INTERRUPT_KEYED: &str =
    "/*tsugi*/ UPDATE tsugi_keyed SET kind = 6 WHERE key = ?1 AND kind = 1";

/// When a store is opened no run is left that could still be at what was started. In the words of
/// the index, or every stored reply would be looked at.
pub(crate) const INTERRUPT_REPLIES: &str =
    "/*tsugi*/ UPDATE tsugi_reply SET kind = 6 WHERE kind IN (1, 6) AND kind = 1";

pub(crate) const INTERRUPT_KEYS: &str =
    "/*tsugi*/ UPDATE tsugi_keyed SET kind = 6 WHERE kind IN (1, 6) AND kind = 1";

/// What stands under an id, whether it is a reply or not: kind and content.
pub(crate) const OPEN_REPLY: &str =
    "/*tsugi*/ SELECT kind, digest FROM tsugi_reply WHERE client = ?1 AND serial = ?2";

pub(crate) const OPEN_KEYED: &str = "/*tsugi*/ SELECT kind, digest FROM tsugi_keyed \
    WHERE key = ?1 AND kind IN (1, 6)";

/// Calls of a service of which nobody knows. In the words of the index, or every
/// stored reply would be looked at. What was started before its request was kept is an operator's.
pub(crate) const UNKNOWN_REPLIES: &str = "/*tsugi*/ SELECT c.who, c.incarnation, r.serial, r.at \
    FROM tsugi_reply r JOIN tsugi_client c ON c.no = r.client \
    WHERE r.kind IN (1, 6) AND r.kind = 6 AND r.service = ?1 AND r.asked IS NOT NULL LIMIT ?2";

pub(crate) const UNKNOWN_KEYS: &str = "/*tsugi*/ SELECT key, at FROM tsugi_keyed \
    WHERE kind IN (1, 6) AND kind = 6 AND service = ?1 AND asked IS NOT NULL LIMIT ?2";

/// What a call of which nobody knows asks: service, interface, epoch, attempt, moment, body.
pub(crate) const ASKED_REPLY: &str = "/*tsugi*/ SELECT service, interface, epoch, attempt, at, \
    asked FROM tsugi_reply WHERE client = (SELECT no FROM tsugi_client WHERE who = ?1 \
    AND incarnation = ?2) AND serial = ?3 AND kind = 6 AND asked IS NOT NULL";

pub(crate) const ASKED_KEYED: &str = "/*tsugi*/ SELECT service, interface, epoch, attempt, at, \
    asked FROM tsugi_keyed WHERE key = ?1 AND kind = 6 AND asked IS NOT NULL";

/// Takes away what stands under an id without being a reply, of this kind.
pub(crate) const DROP_OPEN_REPLY: &str = "/*tsugi*/ DELETE FROM tsugi_reply \
    WHERE client = ?1 AND serial = ?2 AND kind = ?3";

pub(crate) const DROP_OPEN_KEYED: &str =
    "/*tsugi*/ DELETE FROM tsugi_keyed WHERE key = ?1 AND kind = ?2";

/// What a reply's own *lowest* confirms; nothing higher that only memory knows.
pub(crate) const CONFIRMED: &str = "/*tsugi*/ DELETE FROM tsugi_reply \
    WHERE client = ?1 AND serial < ?2 AND kind NOT IN (1, 6) RETURNING long_body";

/// As [`CONFIRMED`], where no reply has a body of its own row.
pub(crate) const CONFIRMED_SHORT: &str = "/*tsugi*/ DELETE FROM tsugi_reply \
    WHERE client = ?1 AND serial < ?2 AND kind NOT IN (1, 6)";

pub(crate) const DROP_BODY: &str = "/*tsugi*/ DELETE FROM tsugi_body WHERE no = ?1";

pub(crate) const BODY_OF_KEYED: &str =
    "/*tsugi*/ SELECT kind, long_body FROM tsugi_keyed WHERE key = ?1";

pub(crate) const BURY: &str = "/*tsugi*/ UPDATE tsugi_keyed SET kind = 9, service = NULL, \
    interface = NULL, digest = NULL, attempt = NULL, at = NULL, status = NULL, body = NULL, \
    long_body = NULL WHERE key = ?1";

pub(crate) const FORGET: &str = "/*tsugi*/ DELETE FROM tsugi_keyed WHERE key = ?1";

pub(crate) const WALK_REPLIES: &str = "/*tsugi*/ SELECT client, serial, kind, at, long_body \
    FROM tsugi_reply WHERE (client, serial) > (?1, ?2) ORDER BY client, serial LIMIT ?3";

pub(crate) const DROP_REPLY: &str =
    "/*tsugi*/ DELETE FROM tsugi_reply WHERE client = ?1 AND serial = ?2";

pub(crate) const RAISE_WATERMARK: &str =
    "/*tsugi*/ UPDATE tsugi_client SET watermark = ?2 WHERE no = ?1 AND watermark < ?2";

/// A client was heard, by what leaves no reply that says so.
pub(crate) const HEARD: &str =
    "/*tsugi*/ UPDATE tsugi_client SET at = ?2 WHERE no = ?1 AND at < ?2";

/// As [`HEARD`], when the call came whose row is being taken away.
pub(crate) const HEARD_BY: &str = "/*tsugi*/ UPDATE tsugi_client SET at = r.at \
    FROM tsugi_reply r WHERE r.client = ?1 AND r.serial = ?2 AND tsugi_client.no = ?1 \
    AND tsugi_client.at < r.at";

pub(crate) const WALK_KEYS: &str = "/*tsugi*/ SELECT key, kind, at, long_body FROM tsugi_keyed \
    WHERE key > ?1 ORDER BY key LIMIT ?2";

pub(crate) const WALK_CLIENTS: &str = "/*tsugi*/ SELECT no, at, who, incarnation, \
    CASE WHEN EXISTS (SELECT 1 FROM tsugi_reply WHERE client = no) THEN 1 ELSE 0 END \
    FROM tsugi_client WHERE no > ?1 ORDER BY no LIMIT ?2";

pub(crate) const RAISE_FLOOR: &str = "/*tsugi*/ INSERT INTO tsugi_client_floor \
    (who, incarnation) VALUES (?1, ?2) ON CONFLICT (who) \
    DO UPDATE SET incarnation = excluded.incarnation \
    WHERE tsugi_client_floor.incarnation < excluded.incarnation";

pub(crate) const DROP_CLIENT: &str = "/*tsugi*/ DELETE FROM tsugi_client WHERE no = ?1";

/// What is known of a file of records.
pub(crate) const FILE: &str = "/*tsugi*/ SELECT no, name, kind, shortest, longest, keys, \
    generation, most, records FROM tsugi_file WHERE name = ?1";

pub(crate) const FILES: &str = "/*tsugi*/ SELECT no, name, kind, shortest, longest, keys, \
    generation, most, records FROM tsugi_file";

/// Gives nothing back where the name is there.
pub(crate) const NEW_FILE: &str = "/*tsugi*/ INSERT INTO tsugi_file \
    (name, kind, shortest, longest, keys, generation, most, records, at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8) ON CONFLICT DO NOTHING RETURNING no";

pub(crate) const RENEW_FILE: &str = "/*tsugi*/ UPDATE tsugi_file SET kind = ?2, shortest = ?3, \
    longest = ?4, keys = ?5, generation = ?6, records = 0, at = ?7 WHERE no = ?1";

pub(crate) const DROP_FILE: &str = "/*tsugi*/ DELETE FROM tsugi_file WHERE no = ?1";

pub(crate) const LIMIT_FILE: &str = "/*tsugi*/ UPDATE tsugi_file SET most = ?2, \
    records = (SELECT count(*) FROM tsugi_record WHERE generation = ?3) WHERE no = ?1";

/// Only of a file that may have so many records and no more: of all others nobody counts.
pub(crate) const COUNT_RECORD: &str =
    "/*tsugi*/ UPDATE tsugi_file SET records = records + ?2 WHERE no = ?1";

pub(crate) const COUNTED: &str = "/*tsugi*/ SELECT most, records FROM tsugi_file WHERE no = ?1";

pub(crate) const NEW_GENERATION: &str =
    "/*tsugi*/ INSERT INTO tsugi_generation (over) VALUES (0) RETURNING no";

pub(crate) const GENERATION_OVER: &str =
    "/*tsugi*/ UPDATE tsugi_generation SET over = 1 WHERE no = ?1";

pub(crate) const GARBAGE: &str =
    "/*tsugi*/ SELECT no FROM tsugi_generation WHERE over = 1 ORDER BY no LIMIT 1";

pub(crate) const SWEEP_RECORDS: &str = "/*tsugi*/ DELETE FROM tsugi_record WHERE \
    generation = ?1 AND key IN (SELECT key FROM tsugi_record WHERE generation = ?1 \
    ORDER BY key LIMIT ?2) RETURNING generation";

pub(crate) const SWEEP_ENTRIES: &str = "/*tsugi*/ DELETE FROM tsugi_entry WHERE \
    generation = ?1 AND (number, key, place) IN (SELECT number, key, place FROM tsugi_entry \
    WHERE generation = ?1 ORDER BY number, key, place LIMIT ?2) RETURNING place";

pub(crate) const DROP_GENERATION: &str = "/*tsugi*/ DELETE FROM tsugi_generation WHERE no = ?1";

pub(crate) const RECORD: &str =
    "/*tsugi*/ SELECT key, record FROM tsugi_record WHERE generation = ?1 AND key = ?2";

pub(crate) const RECORD_FIRST: &str = "/*tsugi*/ SELECT key, record FROM tsugi_record \
    WHERE generation = ?1 ORDER BY key LIMIT 1";

pub(crate) const RECORD_LAST: &str = "/*tsugi*/ SELECT key, record FROM tsugi_record \
    WHERE generation = ?1 ORDER BY key DESC LIMIT 1";

pub(crate) const RECORD_AT_LEAST: &str = "/*tsugi*/ SELECT key, record FROM tsugi_record \
    WHERE generation = ?1 AND key >= ?2 ORDER BY key LIMIT 1";

pub(crate) const RECORD_ABOVE: &str = "/*tsugi*/ SELECT key, record FROM tsugi_record \
    WHERE generation = ?1 AND key > ?2 ORDER BY key LIMIT 1";

pub(crate) const RECORD_BELOW: &str = "/*tsugi*/ SELECT key, record FROM tsugi_record \
    WHERE generation = ?1 AND key < ?2 ORDER BY key DESC LIMIT 1";

pub(crate) const RECORD_AT_MOST: &str = "/*tsugi*/ SELECT key, record FROM tsugi_record \
    WHERE generation = ?1 AND key <= ?2 ORDER BY key DESC LIMIT 1";

pub(crate) const PUT_RECORD: &str = "/*tsugi*/ INSERT INTO tsugi_record \
    (generation, key, record) VALUES (?1, ?2, ?3) \
    ON CONFLICT (generation, key) DO UPDATE SET record = excluded.record";

pub(crate) const DROP_RECORD: &str =
    "/*tsugi*/ DELETE FROM tsugi_record WHERE generation = ?1 AND key = ?2 RETURNING generation";

pub(crate) const ENTRY_OF: &str = "/*tsugi*/ SELECT key, place, record FROM tsugi_entry \
    WHERE generation = ?1 AND number = ?2 AND record = ?3";

pub(crate) const ENTRY_FIRST: &str = "/*tsugi*/ SELECT key, place, record FROM tsugi_entry \
    WHERE generation = ?1 AND number = ?2 ORDER BY key, place LIMIT 1";

pub(crate) const ENTRY_LAST: &str = "/*tsugi*/ SELECT key, place, record FROM tsugi_entry \
    WHERE generation = ?1 AND number = ?2 ORDER BY key DESC, place DESC LIMIT 1";

pub(crate) const ENTRY_AT_LEAST: &str = "/*tsugi*/ SELECT key, place, record FROM tsugi_entry \
    WHERE generation = ?1 AND number = ?2 AND (key, place) >= (?3, ?4) \
    ORDER BY key, place LIMIT 1";

pub(crate) const ENTRY_ABOVE: &str = "/*tsugi*/ SELECT key, place, record FROM tsugi_entry \
    WHERE generation = ?1 AND number = ?2 AND (key, place) > (?3, ?4) \
    ORDER BY key, place LIMIT 1";

pub(crate) const ENTRY_BELOW: &str = "/*tsugi*/ SELECT key, place, record FROM tsugi_entry \
    WHERE generation = ?1 AND number = ?2 AND (key, place) < (?3, ?4) \
    ORDER BY key DESC, place DESC LIMIT 1";

pub(crate) const ENTRY_AT_MOST: &str = "/*tsugi*/ SELECT key, place, record FROM tsugi_entry \
    WHERE generation = ?1 AND number = ?2 AND (key, place) <= (?3, ?4) \
    ORDER BY key DESC, place DESC LIMIT 1";

/// Gives nothing back where the place, or the record, is there.
pub(crate) const PUT_ENTRY: &str = "/*tsugi*/ INSERT INTO tsugi_entry \
    (generation, number, key, place, record) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT DO NOTHING RETURNING place";

pub(crate) const DROP_ENTRY: &str = "/*tsugi*/ DELETE FROM tsugi_entry \
    WHERE generation = ?1 AND number = ?2 AND key = ?3 AND place = ?4";

pub(crate) const RECORDS: &str =
    "/*tsugi*/ SELECT count(*) FROM tsugi_record WHERE generation = ?1";

/// What finds one row of a file.
#[cfg(any(test, feature = "suite"))]
pub(crate) const LOOK_UPS: [(&str, usize); 16] = [
    (FILE, 1),
    (RECORD, 2),
    (RECORD_FIRST, 1),
    (RECORD_LAST, 1),
    (RECORD_AT_LEAST, 2),
    (RECORD_ABOVE, 2),
    (RECORD_BELOW, 2),
    (RECORD_AT_MOST, 2),
    (ENTRY_OF, 3),
    (ENTRY_FIRST, 2),
    (ENTRY_LAST, 2),
    (ENTRY_AT_LEAST, 4),
    (ENTRY_ABOVE, 4),
    (ENTRY_BELOW, 4),
    (ENTRY_AT_MOST, 4),
    (GARBAGE, 0),
];

/// `text` with the parameters as PostgreSQL counts them: `?1` is `$1`, but not in a literal, a
/// quoted name or a comment.
#[must_use]
pub fn dollars(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match quoted(rest) {
            Some(length) => length,
            None if first == '?' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                out.push('$');
                rest = &rest[1..];
                continue;
            }
            None => first.len_utf8(),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}

/// How long what begins here is, where no parameter can stand in it.
fn quoted(text: &str) -> Option<usize> {
    let ended = |open: usize, close: &str| {
        text[open..].find(close).map_or(text.len(), |at| open + at + close.len())
    };
    match text.as_bytes() {
        [b'\'', ..] => Some(ended(1, "'")),
        [b'"', ..] => Some(ended(1, "\"")),
        [b'-', b'-', ..] => Some(ended(2, "\n")),
        [b'/', b'*', ..] => Some(ended(2, "*/")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_as_postgresql_does_and_literals_stay() {
        let cases = [
            ("SELECT ?1, ?12", "SELECT $1, $12"),
            ("SELECT '?1', \"?2\", ?3", "SELECT '?1', \"?2\", $3"),
            ("SELECT 'it''s ?1' || ?1", "SELECT 'it''s ?1' || $1"),
            ("-- ?1\nSELECT ?1 /* ?2 */", "-- ?1\nSELECT $1 /* ?2 */"),
            ("SELECT a ? b, '継ぎ?1', ?1", "SELECT a ? b, '継ぎ?1', $1"),
            ("SELECT 'open ?1", "SELECT 'open ?1"),
            ("?", "?"),
        ];
        for (text, expected) in cases {
            assert_eq!(dollars(text), expected);
        }
    }

    /// What stands on the way of a call, of a portion of the purge, and of an open. What is walked
    /// at an open beside it has a row for each service or package, and none for a reply.
    const SOUGHT: &[&str] = &[
        EPOCH,
        CLIENT,
        CLIENT_SEEN,
        FLOOR,
        NEW_CLIENT,
        CLIENTS_KEPT,
        COUNT_CLIENT,
        KEEP_BLOCK,
        DROP_BLOCK,
        REPLY,
        KEYED,
        NEW_BODY,
        NEW_REPLY,
        NEW_KEYED,
        START_REPLY,
        START_KEYED,
        INTERRUPT_REPLY,
        INTERRUPT_KEYED,
        INTERRUPT_REPLIES,
        INTERRUPT_KEYS,
        OPEN_REPLY,
        OPEN_KEYED,
        UNKNOWN_REPLIES,
        UNKNOWN_KEYS,
        ASKED_REPLY,
        ASKED_KEYED,
        DROP_OPEN_REPLY,
        DROP_OPEN_KEYED,
        CONFIRMED,
        CONFIRMED_SHORT,
        DROP_BODY,
        BODY_OF_KEYED,
        BURY,
        FORGET,
        WALK_REPLIES,
        WALK_KEYS,
        WALK_CLIENTS,
        DROP_REPLY,
        RAISE_WATERMARK,
        HEARD,
        HEARD_BY,
        RAISE_FLOOR,
        DROP_CLIENT,
    ];

    #[test]
    fn no_statement_on_the_way_of_a_call_looks_at_a_whole_table() {
        use crate::migrate::{Dialect, due};
        let store = rusqlite::Connection::open_in_memory().expect("it opens");
        for step in due(&[]).expect("all are due") {
            store.execute_batch(&step.text(Dialect::Sqlite)).expect("it is made");
        }
        for text in SOUGHT {
            let mut plan = store.prepare(&format!("EXPLAIN QUERY PLAN {text}")).expect(text);
            // What is not given is nothing.
            let steps = plan.raw_query().mapped(|row| row.get::<_, String>(3));
            let steps: Vec<String> = steps.map(|step| step.expect("a step")).collect();
            for step in &steps {
                let whole = step.contains("SCAN") || step.contains("TEMP B-TREE");
                assert!(!whole, "{text}: {steps:?}");
            }
        }
    }

    #[test]
    fn every_statement_of_ours_is_marked() {
        let source = include_str!("statement.rs").split("#[cfg(test)]").next().unwrap();
        let (statements, marked) =
            (source.matches("&str =").count(), source.matches("\"/*tsugi*/").count());
        assert!(statements > 25, "{statements}");
        assert_eq!(statements, marked, "one is the mark itself");
    }
}
