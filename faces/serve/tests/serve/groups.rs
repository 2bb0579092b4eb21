//! The way to another group's services: a real door, asked as a group asks it.

use std::sync::mpsc::channel;
use std::time::Duration;

use tsugi_serve::groups::{Groups, Shows};
use tsugi_service_engine::{CallOut, CameBack, OtherGroups, names};
use tsugi_service_rules::id::CallId;
use tsugi_vocabulary::GroupName;

use crate::daemon::{BOUND, Daemon, own_address};
use crate::volume::{GROUP, Volume};

fn way(own: &str, others: &[String]) -> Groups {
    let own = GroupName::new(own).unwrap();
    Groups::of(&own, others, Shows::default()).unwrap().expect("one is said")
}

fn ask(groups: &Groups, service: &str, id: CallId, body: &str, patience: Duration) -> CameBack {
    let (tell, told) = channel();
    let (group, service) = (GROUP.to_owned(), service.to_owned());
    let call = CallOut { group, service, id, body: body.into(), patience };
    groups.call(call, Box::new(move |came| drop(tell.send(came))));
    told.recv_timeout(BOUND).expect("it is told")
}

#[test]
fn another_groups_service_is_called_once_under_an_id_whoever_asks_again() {
    let volume = Volume::new();
    let address = own_address();
    let groups = way("callers", &[format!("{GROUP}={address}")]);
    assert!(groups.knows(GROUP) && !groups.knows("nobody"));
    let (first, second) = (names::child("c.1.1", 1), names::child("c.1.1", 2));
    let count = |id, body: &str| ask(&groups, "COUNTER", id, body, BOUND);
    // Its door is asked until it is there, within what the caller has left.
    let none = ask(&groups, "COUNTER", first, "add a", Duration::from_millis(100));
    assert!(matches!(none, CameBack::NotKnown(_) | CameBack::Refused(_)), "{none:?}");
    let daemon = Daemon::ready(&volume, address, "e1.1");
    assert_eq!(count(first, "add a"), CameBack::Reply(b"1".to_vec()));
    assert_eq!(count(second, "add a"), CameBack::Reply(b"2".to_vec()));
    daemon.kill();
    let daemon = Daemon::ready(&volume, address, "e1.2");
    let again = way("callers", &[format!("{GROUP}={address}")]);
    let stored = ask(&again, "COUNTER", first, "add a", BOUND);
    assert_eq!(stored, CameBack::Reply(b"1".to_vec()), "stored, for whoever of the group asks");
    let other = count(first, "add b");
    assert!(matches!(&other, CameBack::NotKnown(why) if why.contains("TSUG201")), "{other:?}");
    let nobody = ask(&groups, "nobody", names::child("c.1.2", 1), "x", BOUND);
    assert!(matches!(nobody, CameBack::Refused(_)), "{nobody:?}");
    // Two groups have clients of one name: their calls are others.
    let own = way("others", &[format!("{GROUP}={address}")]);
    assert_eq!(ask(&own, "COUNTER", first, "add a", BOUND), CameBack::Reply(b"3".to_vec()));
    // Once it is confirmed, it is never run again, and not told any more.
    groups.confirm(GROUP, first);
    let begun = std::time::Instant::now();
    loop {
        match count(first, "add a") {
            CameBack::NotKnown(_) => break,
            CameBack::Reply(body) => assert_eq!(body, b"1"),
            other => panic!("{other:?}"),
        }
        assert!(begun.elapsed() < BOUND, "it is not confirmed");
    }
    assert_eq!(volume.value(), 3);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_is_said_of_other_groups_is_read_at_the_start() {
    let own = GroupName::new("callers").unwrap();
    for bad in ["pay", "pay=", "pay=host", "=127.0.0.1:1", "pay=127.0.0.1:1,"] {
        let read = Groups::of(&own, &[bad.to_owned()], Shows::default());
        assert!(read.is_err(), "{bad}");
    }
    assert!(Groups::of(&own, &[], Shows::default()).unwrap().is_none());
    let two = ["pay=127.0.0.1:1,[::1]:2".to_owned(), "stock=host.example:3".to_owned()];
    let groups = Groups::of(&own, &two, Shows::default()).unwrap().unwrap();
    assert!(groups.knows("pay") && groups.knows("stock") && !groups.knows("callers"));
}
