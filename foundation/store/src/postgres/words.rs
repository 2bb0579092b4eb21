//! The statements that only PostgreSQL is asked: how changes are looked for after a commit without
//! an answer, and calls that act outside of the store. Each begins as all of ours do.

/// Whether we may write; with the number of a change, which is there with the change or not at all.
/// That of one which nobody looks for any more goes.
pub(super) const EPOCH_AND_CHANGE: &str = "/*tsugi*/ WITH \
    former AS (DELETE FROM tsugi_change WHERE session = ?3 AND number = ?5), \
    own AS (INSERT INTO tsugi_change (session, number) VALUES (?3, ?4)) \
    SELECT incarnation, counter, run FROM tsugi_epoch WHERE grp = ?1 AND member = ?2";

pub(super) const CHANGED: &str =
    "/*tsugi*/ SELECT number FROM tsugi_change WHERE session = ?1 AND number = ?2";

/// Changes of runs of this member: nobody looks for them any more.
pub(super) const DROP_CHANGES: &str =
    "/*tsugi*/ DELETE FROM tsugi_change WHERE starts_with(session, ?1)";

/// The other members that are open, of any group: whose sessions are there.
pub(super) const MEMBERS: &str = "/*tsugi*/ SELECT m.grp, m.member, m.version FROM tsugi_member m \
    WHERE (m.grp, m.member) <> (?1, ?2) AND EXISTS (SELECT 1 FROM pg_stat_activity a \
    WHERE a.datname = current_database() AND starts_with(a.application_name, m.sessions)) \
    ORDER BY m.grp, m.member";

pub(super) const OPENED: &str = "/*tsugi*/ INSERT INTO tsugi_member \
    (grp, member, sessions, version, at) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT (grp, member) DO UPDATE SET sessions = excluded.sessions, \
    version = excluded.version, at = excluded.at";

/// How commits wait, and how many standbys there are.
pub(super) const REPLICATION: &str = "/*tsugi*/ SELECT \
    (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'), \
    current_setting('synchronous_standby_names'), \
    (SELECT count(*) FROM pg_stat_replication)";

/// Whoever changes what is kept under a key holds it until his commit.
pub(super) const HELD_KEY: &str =
    "/*tsugi*/ SELECT kind, long_body FROM tsugi_keyed WHERE key = ?1 FOR UPDATE";

/// A client has told what it has: it lives, and its watermark is at least that.
pub(super) const HEARD: &str = "/*tsugi*/ UPDATE tsugi_client SET \
    at = greatest(abs(at), ?2), watermark = greatest(watermark, ?3) WHERE no = ?1";

/// Takes away what is too old of so many replies, and raises the watermarks over it. When a client
/// was heard of last is the age of its last reply: it is not taken away before that is.
pub(super) const PURGE_REPLIES: &str = "/*tsugi*/ WITH walk AS (SELECT client, serial \
    FROM tsugi_reply WHERE (client, serial) > (?1, ?2) ORDER BY client, serial LIMIT ?3), \
    old AS (DELETE FROM tsugi_reply r USING walk w WHERE r.client = w.client \
    AND r.serial = w.serial AND r.kind NOT IN (1, 6) AND r.at < ?4 \
    RETURNING r.client, r.serial, r.at, r.long_body), \
    raised AS (UPDATE tsugi_client c SET watermark = greatest(c.watermark, o.serial), \
    at = greatest(abs(c.at), o.at) FROM (SELECT client, max(serial) AS serial, max(at) AS at \
    FROM old GROUP BY client) o WHERE c.no = o.client), \
    bodies AS (DELETE FROM tsugi_body WHERE no IN (SELECT long_body FROM old)) \
    SELECT (SELECT count(*) FROM old), w.client, w.serial FROM walk w \
    ORDER BY w.client DESC, w.serial DESC LIMIT 1";

/// Keeps that a call is about to act outside, and which run of which member is about to. Nothing
/// where somebody else is faster, or the client is not there any more: who takes it away for its
/// age meets this.
pub(super) const START_REPLY: &str = "/*tsugi*/ WITH c AS (UPDATE tsugi_client \
    SET at = greatest(abs(at), ?6::bigint) WHERE no = ?1 RETURNING no) \
    INSERT INTO tsugi_reply (client, serial, kind, \
    lowest, service, interface, digest, attempt, at, status, body, epoch, asked) \
    SELECT c.no, ?2::bigint, 1, ?3::bigint, ?8::bigint, ?4::bigint, ?5::bytea, ?9::bigint, \
    ?6::bigint, 0, ?7::bytea, ?10::bigint, ?11::bytea FROM c \
    ON CONFLICT DO NOTHING RETURNING serial";

pub(super) const START_KEYED: &str = "/*tsugi*/ INSERT INTO tsugi_keyed (key, kind, service, \
    interface, digest, attempt, at, status, body, epoch, asked) \
    VALUES (?1, 1, ?6, ?2, ?3, ?7, ?4, 0, ?5, ?8, ?9) \
    ON CONFLICT DO NOTHING RETURNING kind";

/// Claims the row of a call that was started, by its place: what is looked for in an index counts
/// as read, and meets every call that writes beside it.
pub(super) const CLAIM_STARTED_REPLY: &str = "/*tsugi*/ UPDATE tsugi_reply SET kind = 2, \
    body = NULL, asked = NULL, lowest = ?9 \
    WHERE ctid = ?6::text::tid AND client = ?7 AND serial = ?8 AND kind = 1 \
    AND EXISTS (SELECT 1 FROM tsugi_epoch e WHERE e.grp = ?1 AND e.member = ?2 \
    AND e.incarnation = ?3 AND e.counter = ?4 AND e.run = ?5) RETURNING ctid::text";

pub(super) const CLAIM_STARTED_KEYED: &str = "/*tsugi*/ UPDATE tsugi_keyed SET kind = 2, \
    body = NULL, asked = NULL WHERE ctid = ?6::text::tid AND key = ?7 AND kind = 1 \
    AND EXISTS (SELECT 1 FROM tsugi_epoch e WHERE e.grp = ?1 AND e.member = ?2 \
    AND e.incarnation = ?3 AND e.counter = ?4 AND e.run = ?5) RETURNING ctid::text";

/// Only what this run has started: what another member has started is his.
pub(super) const INTERRUPT_REPLY: &str = "/*tsugi*/ UPDATE tsugi_reply SET kind = 6, body = NULL \
    WHERE client = (SELECT no FROM tsugi_client WHERE who = ?1 AND incarnation = ?2) \
    AND serial = ?3 AND kind = 1 AND body = ?4 RETURNING serial";

pub(super) const INTERRUPT_KEYED: &str = "/*tsugi*/ UPDATE tsugi_keyed SET kind = 6, body = NULL \
    WHERE key = ?1 AND kind = 1 AND body = ?2 RETURNING kind";

/// What any run of this member has started: none of them is left. In the words of the index, or
/// every stored reply would be looked at.
pub(super) const INTERRUPT_REPLIES: &str = "/*tsugi*/ UPDATE tsugi_reply SET kind = 6, \
    body = NULL WHERE kind IN (1, 6) AND kind = 1 AND substr(body, 1, length(?1::bytea)) = ?1";

pub(super) const INTERRUPT_KEYS: &str = "/*tsugi*/ UPDATE tsugi_keyed SET kind = 6, \
    body = NULL WHERE kind IN (1, 6) AND kind = 1 AND substr(body, 1, length(?1::bytea)) = ?1";

/// Takes an unknown call away: it may be carried out.
pub(super) const DROP_UNKNOWN_REPLY: &str = "/*tsugi*/ DELETE FROM tsugi_reply \
    WHERE client = (SELECT no FROM tsugi_client WHERE who = ?1 AND incarnation = ?2) \
    AND serial = ?3 AND kind = 6 RETURNING serial";

pub(super) const DROP_UNKNOWN_KEYED: &str =
    "/*tsugi*/ DELETE FROM tsugi_keyed WHERE key = ?1 AND kind = 6 RETURNING kind";

/// Puts a reply in the place of an unknown call.
pub(super) const ANSWER_UNKNOWN_REPLY: &str = "/*tsugi*/ UPDATE tsugi_reply SET kind = ?1, \
    service = ?2, interface = ?3, attempt = ?4, at = ?5, status = ?6, body = ?7, long_body = ?8, \
    asked = NULL WHERE client = (SELECT no FROM tsugi_client WHERE who = ?9 AND incarnation = ?10) \
    AND serial = ?11 AND kind = 6 RETURNING serial";

pub(super) const ANSWER_UNKNOWN_KEYED: &str = "/*tsugi*/ UPDATE tsugi_keyed SET kind = ?1, \
    service = ?2, interface = ?3, attempt = ?4, at = ?5, status = ?6, body = ?7, long_body = ?8, \
    asked = NULL WHERE key = ?9 AND kind = 6 RETURNING kind";

#[cfg(test)]
mod tests {
    use crate::statement::OURS;

    #[test]
    fn every_statement_of_ours_is_marked() {
        let source = include_str!("words.rs").split("#[cfg(test)]").next().unwrap();
        let texts = source.matches("&str =").count();
        let marked = source.matches(&format!("\"{OURS} ")).count();
        assert!(texts > 10 && texts == marked, "{marked} of {texts}");
    }
}
