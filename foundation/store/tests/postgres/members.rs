//! Several members of a group have one store open.

use tsugi_store::Store as _;
use tsugi_store::suite;
use tsugi_store::{Asynchronous, Begun, Failover, OpenRefused, Opening};

use super::member;
use super::server::{Database, Server};

/// Waits until a member's session is gone from the server.
fn left(stand: &Database<'_>, members: usize) {
    let text = "SELECT count(DISTINCT application_name) FROM pg_stat_activity \
        WHERE application_name LIKE 'tsugi:%'";
    while stand.ask(text) != members.to_string() {}
}

#[test]
fn mf_20_the_first_member_is_told_so_and_so_is_who_joins() {
    let server = Server::new();
    let stand = server.database();
    let one = stand.session(&member("one", 5)).unwrap();
    assert_eq!(one.opening(), Opening::First, "the tables are made by it");
    let two = stand.session(&member("two", 5)).unwrap();
    assert_eq!(two.opening(), Opening::Joined);
    // Its own former run is no other member.
    drop(two);
    left(&stand, 1);
    drop(one);
    left(&stand, 0);
    let former = stand.session(&member("two", 6)).unwrap();
    assert_eq!(former.opening(), Opening::First, "all others have ended");
    let next = stand.session(&member("two", 7)).unwrap();
    assert_eq!(next.opening(), Opening::First);
    // Another group of the database is nobody's member.
    let mut other = member("three", 5);
    other.group = tsugi_vocabulary::GroupName::new("bills").unwrap();
    assert_eq!(stand.session(&other).unwrap().opening(), Opening::First);
}

#[test]
fn mf_20_a_member_of_another_version_is_refused_by_name_and_has_changed_nothing() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    let mut one = stand.session(&member("one", 5)).unwrap();
    let call = suite::call(suite::serial(1, 1), 1);
    suite::counted(&mut one, &call, 20);
    stand.ask("UPDATE tsugi_member SET version = '9.9.9' WHERE member = 'one'");
    let all = "SELECT (SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM tsugi_member t), \
        (SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM tsugi_epoch t), \
        (SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM tsugi_step t)";
    let before = stand.ask(all);
    match stand.session(&member("two", 5)).map(drop) {
        Err(OpenRefused::OtherVersion { member, found, own }) => {
            assert_eq!((&*member, &*found), ("orders/one", "9.9.9"));
            assert_eq!(own, env!("CARGO_PKG_VERSION"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(stand.ask(all), before);
    // Who was there goes on.
    assert!(matches!(one.begin(&call), Ok(Begun::Stored(_))));
    suite::counted(&mut one, &suite::call(suite::serial(2, 1), 1), 30);
    // Once all of the other version have ended, this one is the first.
    drop(one);
    left(&stand, 0);
    let mut two = stand.session(&member("two", 5)).unwrap();
    assert_eq!(two.opening(), Opening::First);
    assert!(matches!(two.begin(&call), Ok(Begun::Stored(_))));
}

#[test]
fn commits_that_no_standby_waits_for_may_be_lost_by_a_failover() {
    let server = Server::new();
    let stand = server.database();
    let mut store = stand.session(&member("one", 5)).unwrap();
    assert_eq!(store.failover().unwrap(), Failover::Kept, "there is no other server");
    let text = format!("ALTER DATABASE {} SET synchronous_commit = local", stand.name);
    assert!(server.psql("postgres", &text).status.success());
    let mut store = stand.session(&member("one", 6)).unwrap();
    assert_eq!(store.failover().unwrap(), Failover::MayLose(Asynchronous::Commits));
}
