//! Calls that act outside of the store.

use super::*;

fn request_of(call: &Call) -> Request {
    let body = vec![b'r'; 2_000 * usize::from(matches!(call.id, Id::Key(_))) + 1];
    Request { service: 4, interface: 3, epoch: 5, attempt: 2, at: 100, body }
}

fn started(store: &mut dyn Store, call: &Call) -> bool {
    let started = store.start(call, &request_of(call)).expect("it works");
    store.commit().expect("it commits");
    started
}

fn changed(
    store: &mut dyn Store,
    what: impl FnOnce(&mut dyn Store) -> Result<bool, Trouble>,
) -> bool {
    let changed = what(store).expect("it works");
    store.commit().expect("it commits");
    changed
}

fn key_of(call: &Call) -> Key {
    match &call.id {
        Id::Key(key) => *key,
        Id::Serial(serial) => panic!("{serial:?}"),
    }
}

pub(super) fn what_was_started_is_carried_out_once(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    for call in [call(serial(2, 1), 1), call(key(1), 1)] {
        assert!(started(&mut *store, &call));
        assert!(!started(&mut *store, &call), "it is started");
        let other = Call { content: Content([9; 16]), ..call.clone() };
        assert!(matches!(store.begin(&other), Ok(Begun::OtherContent)), "{call:?}");
        drop(begun(&mut *store, &call));
        store.abandon().expect("it works");
        let mut work = begun(&mut *store, &call);
        added(&mut *work, 1);
        work.undo().expect("it works");
        assert_eq!(added(&mut *work, 0), value_before(&call));
        drop(work);
        store.abandon().expect("it works");
        let stored = counted(&mut *store, &call, 110);
        assert!(matches!(store.begin(&call), Ok(Begun::Stored(found)) if found == stored));
        assert!(!started(&mut *store, &call), "it is over");
        assert!(!changed(&mut *store, |store| store.interrupted(&call.id)));
    }
    assert_eq!(value(&mut *store), 2);
    // What its client has confirmed does not go as long as nobody knows what became of it.
    assert!(started(&mut *store, &call(serial(3, 1), 1)));
    counted(&mut *store, &call(serial(4, 4), 1), 120);
    assert!(changed(&mut *store, |store| store.interrupted(&serial(3, 1))));
    assert!(matches!(store.begin(&call(serial(3, 1), 1)), Ok(Begun::Unknown)));
    assert!(!started(&mut *store, &call(serial(1, 1), 1)), "it has expired");
    assert_eq!(purged(&mut *store, 1_000), 3, "the answers, and the key of the founding");
    store.commit().expect("it commits");
    assert!(matches!(store.begin(&call(serial(3, 1), 1)), Ok(Begun::Unknown)));
}

/// What the number is before the call is carried out: they come one after the other.
fn value_before(call: &Call) -> i64 {
    i64::from(matches!(call.id, Id::Key(_)))
}

pub(super) fn what_was_interrupted_is_unknown_until_somebody_decides(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    let (one, keyed) = (call(serial(1, 1), 1), call(key(1), 1));
    for call in [&one, &keyed] {
        assert!(started(&mut *store, call));
        drop(begun(&mut *store, call));
        store.abandon().expect("it works");
    }
    // Its engine dies; the next one finds what it has left.
    drop(store);
    let mut store = stand.open(&claim(6, 60)).expect("it opens");
    for call in [&one, &keyed] {
        assert!(matches!(store.begin(call), Ok(Begun::Unknown)), "{call:?}");
        assert!(!started(&mut *store, call));
        let other = Call { content: Content([9; 16]), ..call.clone() };
        assert!(matches!(store.begin(&other), Ok(Begun::OtherContent)), "{call:?}");
    }
    assert_eq!(store.unknown(4, 9).expect("it works").len(), 2);
    assert_eq!(store.unknown(4, 1).expect("it works").len(), 1, "no more than are asked for");
    assert_eq!(store.unknown(3, 9).expect("it works"), [], "those of its service");
    let key = key_of(&keyed);
    assert!(!changed(&mut *store, |store| store.forget(&key)), "it is resolved first");
    assert!(!changed(&mut *store, |store| store.confirm(&keyed.id, 100)));
    for call in [&one, &keyed] {
        let unknown = store.unknown(4, 9).expect("it works");
        assert!(unknown.iter().any(|id| id.names_same(&call.id)), "{unknown:?}");
        assert_eq!(store.asked(&call.id).expect("it works"), Some(request_of(call)));
        assert!(changed(&mut *store, |store| store.resolve(&call.id, None)));
        assert_eq!(store.asked(&call.id).expect("it works"), None, "it is decided");
        assert!(!changed(&mut *store, |store| store.resolve(&call.id, None)), "it is decided");
        assert!(started(&mut *store, call), "it may be carried out");
        assert!(changed(&mut *store, |store| store.interrupted(&call.id)));
        assert!(matches!(store.begin(call), Ok(Begun::Unknown)), "{call:?}");
        let long = reply(vec![b'x'; 2_000], 100);
        assert!(changed(&mut *store, |store| store.resolve(&call.id, Some(&long))));
        assert!(!changed(&mut *store, |store| store.resolve(&call.id, Some(&long))));
        assert_eq!(store.asked(&call.id).expect("it works"), None, "it has an answer");
        let stored = store.find(&call.id).expect("it works").expect("it has an answer");
        assert_eq!((stored.reply, stored.content), (long, call.content));
    }
    assert_eq!(store.unknown(4, 9).expect("it works"), []);
    assert_eq!(rows_of(&mut *store, "body"), 2, "none is of nobody");
    assert_eq!(value(&mut *store), 0, "nothing was carried out");
}
