//! What becomes of a call and of its reply.

use super::*;

pub(super) fn a_call_is_carried_out_once_and_answered_the_same(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    for id in [serial(1, 1), key(1)] {
        let call = call(id, 1);
        assert_eq!(store.find(&call.id).expect("it works"), None);
        let told = counted(&mut *store, &call, 10);
        assert_eq!(store.find(&call.id).expect("it works").as_ref(), Some(&told));
        assert_eq!(said(&mut *store, &call), format!("{:?}", Begun::Stored(told)));
    }
    assert_eq!(value(&mut *store), 2);
    drop(store);
    let mut store = stand.open(&claim(6, 60)).expect("it works");
    for (id, body) in [(serial(1, 1), "1"), (key(1), "2")] {
        let found = store.find(&id).expect("it works").expect("it outlives its engine");
        assert_eq!(found, Stored { content: Content([1; 16]), reply: reply(body, 10) });
        assert!(matches!(store.begin(&call(id, 1)), Ok(Begun::Stored(stored)) if stored == found));
    }
    assert_eq!(value(&mut *store), 2);
}

pub(super) fn an_id_has_one_content(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    for id in [serial(1, 1), key(1)] {
        let mut work = begun(&mut *store, &call(id.clone(), 1));
        added(&mut *work, 1);
        let seat = work.finish(&reply("1", 10)).expect("it works");
        assert!(matches!(store.begin(&call(id.clone(), 2)), Ok(Begun::OtherContent)));
        // A second one of it within the sitting is not answered before the sitting is durable.
        let again = store.begin(&call(id.clone(), 1)).expect("it works");
        match (seat, again) {
            (Finished::InSitting(own), Begun::Seated(seat)) => assert_eq!(own, seat),
            (Finished::Committed, Begun::Stored(_)) => {}
            (seat, again) => panic!("{seat:?} {again:?}"),
        }
        store.commit().expect("it works");
        assert!(matches!(store.begin(&call(id, 2)), Ok(Begun::OtherContent)));
    }
    // What one client counts says nothing of another's.
    let mut other = client(1);
    other.digest = [8; 16];
    let other = Id::Serial(Serial::new(other, 1, 1).expect("it works"));
    assert!(matches!(store.begin(&call(other, 2)), Ok(Begun::New(_))));
    store.abandon().expect("it works");
    assert_eq!(value(&mut *store), 2);
}

pub(super) fn what_a_client_has_confirmed_is_expired(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    for n in [1, 2, 4] {
        counted(&mut *store, &call(serial(n, 1), 1), 10);
    }
    counted(&mut *store, &call(serial(5, 4), 1), 10);
    let expired = |store: &mut dyn Store, n| {
        matches!(store.begin(&call(serial(n, 1), 1)), Ok(Begun::Expired))
    };
    assert!((1..=3).all(|n| expired(&mut *store, n)), "the third was never carried out");
    assert_eq!(rows_of(&mut *store, "reply"), 2);
    assert!(matches!(store.begin(&call(serial(4, 4), 1)), Ok(Begun::Stored(_))));
    // All up to one, with those that were never carried out.
    counted(&mut *store, &call(serial(7, 4), 1), 10);
    store.confirm(&serial(6, 4), 20).expect("it works");
    store.commit().expect("it works");
    assert!((1..=6).all(|n| expired(&mut *store, n)));
    assert_eq!(store.find(&serial(5, 4)).expect("it works"), None);
    assert!(matches!(store.begin(&call(serial(7, 4), 1)), Ok(Begun::Stored(_))));
    assert_eq!(rows_of(&mut *store, "reply"), 1);
    store.confirm(&serial(2, 1), 20).expect("it works");
    store.commit().expect("it works");
    assert!((1..=6).all(|n| expired(&mut *store, n)), "it only rises");
    // A life that the store has never heard of is remembered by what it has confirmed.
    store.confirm(&serial_of(2, 3, 1), 20).expect("it works");
    store.commit().expect("it works");
    let late = |n| call(serial_of(2, n, 1), 1);
    assert!((1..=3).all(|n| matches!(store.begin(&late(n)), Ok(Begun::Expired))));
    counted(&mut *store, &late(4), 20);
    drop(store);
    let mut store = stand.open(&claim(6, 60)).expect("it works");
    assert!((1..=6).all(|n| expired(&mut *store, n)), "whoever opens it");
    assert_eq!(value(&mut *store), 6);
}

pub(super) fn a_key_leaves_a_tombstone_until_it_is_forgotten(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    let Id::Key(forgotten) = key(1) else { panic!("a key") };
    for n in [1, 2] {
        counted(&mut *store, &call(key(n), 1), 10);
    }
    assert!(store.confirm(&key(1), 20).expect("it works"));
    assert!(!store.confirm(&key(1), 20).expect("it works"));
    store.commit().expect("it works");
    assert_eq!(purged(&mut *store, 11), 2, "the second, and the one of the founding");
    store.commit().expect("it works");
    for (n, content) in [(1, 1), (2, 1), (2, 9)] {
        assert!(matches!(store.begin(&call(key(n), content)), Ok(Begun::Forgotten)));
        assert_eq!(store.find(&key(n)).expect("it works"), None);
    }
    assert!(store.forget(&forgotten).expect("it works"));
    assert!(!store.forget(&forgotten).expect("it works"));
    store.commit().expect("it works");
    let again = counted(&mut *store, &call(key(1), 9), 20);
    assert_eq!(again.reply.body, b"3");
}

pub(super) fn what_is_too_old_goes_and_the_watermark_is_over_it(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    for n in 1..=7 {
        counted(&mut *store, &call(serial(n, 1), 1), 100 + n);
    }
    assert_eq!(purged(&mut *store, 105), 5, "four, and the key of the founding");
    if sits(
        store.purge(&Portion { from: Cursor::End, before: 0, rows: 1 }).expect("it works").finished,
    ) {
        store.abandon().expect("it works");
        assert_eq!(rows_of(&mut *store, "reply"), 7, "it goes with its sitting");
        assert_eq!(purged(&mut *store, 105), 5);
    }
    store.commit().expect("it works");
    drop(store);
    let mut store = stand.open(&claim(6, 60)).expect("it works");
    for n in 1..=4 {
        assert!(matches!(store.begin(&call(serial(n, 1), 1)), Ok(Begun::Expired)), "{n}");
    }
    for n in 5..=7 {
        assert!(matches!(store.begin(&call(serial(n, 1), 1)), Ok(Begun::Stored(_))), "{n}");
    }
    counted(&mut *store, &call(serial(8, 1), 1), 200);
    assert_eq!(value(&mut *store), 8);
}

pub(super) fn a_clients_life_that_is_over_stays_over(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    counted(&mut *store, &call(serial_of(3, 1, 1), 1), 100);
    counted(&mut *store, &call(serial_of(5, 1, 1), 1), 300);
    purged(&mut *store, 200);
    store.commit().expect("it works");
    assert_eq!(rows_of(&mut *store, "client"), 1);
    for incarnation in [1, 3] {
        let late = call(serial_of(incarnation, 2, 1), 1);
        assert!(matches!(store.begin(&late), Ok(Begun::Expired)), "{incarnation}");
    }
    assert!(matches!(store.begin(&call(serial_of(5, 1, 1), 1)), Ok(Begun::Stored(_))));
    counted(&mut *store, &call(serial_of(4, 1, 1), 1), 300);
    assert_eq!(value(&mut *store), 3);
}

pub(super) fn a_client_that_was_heard_lives_on(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    counted(&mut *store, &call(serial(1, 1), 1), 100);
    // By a confirm, which leaves no reply that would say so.
    store.confirm(&serial(1, 1), 300).expect("it works");
    store.confirm(&serial(1, 1), 250).expect("it works");
    store.commit().expect("it works");
    purged(&mut *store, 280);
    store.commit().expect("it works");
    assert_eq!(rows_of(&mut *store, "client"), 1);
    assert!(matches!(store.begin(&call(serial(1, 1), 1)), Ok(Begun::Expired)));
    store.abandon().expect("it works");
    counted(&mut *store, &call(serial(2, 2), 1), 310);
    assert_eq!(value(&mut *store), 2);
}

pub(super) fn a_service_is_blocked_until_it_is_opened_whoever_opens_the_store(
    stand: &mut dyn Stand,
) {
    let mut store = founded(stand);
    let block = |why: &str| Block { who: "tanaka".to_owned(), why: why.to_owned(), at: 7 };
    assert_eq!(store.blocks(), Ok(vec![]));
    for (service, why) in [(3, "month end"), (4, "repair"), (3, "year end")] {
        assert!(store.block(service, Some(&block(why))).expect("it works"));
        store.commit().expect("it works");
    }
    drop(store);
    let mut store = stand.open(&claim(6, 60)).expect("it works");
    let mut all = store.blocks().expect("it works");
    all.sort_by_key(|(service, _)| *service);
    assert_eq!(all, [(3, block("year end")), (4, block("repair"))]);
    assert!(store.block(3, None).expect("it works"));
    assert!(!store.block(5, None).expect("it works"), "nothing kept it closed");
    store.commit().expect("it works");
    assert_eq!(store.blocks(), Ok(vec![(4, block("repair"))]));
}

pub(super) fn bodies_of_every_length_come_back_and_go_with_their_replies(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    let lengths = [0, 1, 511, 512, 513, 4096, 1 << 20];
    let bodies = lengths.map(|length: usize| -> Vec<u8> {
        (0..length).map(|place| u8::try_from(place % 251).expect("small")).collect()
    });
    let types = ["application/json", "text/plain"];
    let mut n = 0;
    for (content_type, body) in types.iter().flat_map(|t| bodies.iter().map(move |b| (t, b))) {
        n += 1;
        let answer = Reply { content_type: (*content_type).to_owned(), ..reply(body.clone(), 10) };
        begun(&mut *store, &call(serial(n, 1), 1)).finish(&answer).expect("it works");
        store.commit().expect("it works");
        assert_eq!(store.find(&serial(n, 1)).expect("it works").expect("stored").reply, answer);
    }
    assert_eq!(rows_of(&mut *store, "body"), 3 + 7, "long ones, and those of another type");
    counted(&mut *store, &call(serial(n + 1, n + 1), 1), 10);
    assert_eq!(rows_of(&mut *store, "body"), 0);
}
