//! Who may write.

use super::*;

fn epoch(counter: u64) -> Epoch {
    claim(counter, 0).epoch
}

pub(super) fn i15_an_older_epoch_is_refused_and_a_newer_one_goes_on(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    counted(&mut *store, &call(serial(1, 1), 1), 1);
    drop(store);
    let refused = stand.open(&claim(4, 70)).map(drop);
    assert_eq!(refused, Err(OpenRefused::Superseded { found: epoch(5), own: epoch(4) }));
    // The same ownership again, by another run of its engine; then the next owner's.
    for (counter, run) in [(5, 51), (7, 70)] {
        let mut store = stand.open(&claim(counter, run)).expect("it works");
        assert!(matches!(store.begin(&call(serial(1, 1), 1)), Ok(Begun::Stored(_))));
        counted(&mut *store, &call(key(u8::try_from(counter).expect("it works")), 1), 1);
    }
    let refused = stand.open(&claim(6, 60)).map(drop);
    assert_eq!(refused, Err(OpenRefused::Superseded { found: epoch(7), own: epoch(6) }));
    let mut later = claim(1, 80);
    later.epoch.incarnation = 2;
    assert_eq!(
        value(&mut *stand.open(&later).expect("it works")),
        3,
        "a restored ledger counts anew"
    );
    assert!(stand.open(&claim(9, 90)).is_err());
}

pub(super) fn i15_a_unit_of_work_of_an_older_epoch_is_refused(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    counted(&mut *store, &call(serial(1, 1), 1), 1);
    stand.taken_over(&claim(6, 60));
    superseded(&mut *store, epoch(6));
    drop(store);
    assert_eq!(value(&mut *stand.open(&claim(6, 61)).expect("it works")), 1);
}

pub(super) fn i15_an_older_run_of_the_same_epoch_is_refused(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    stand.taken_over(&claim(5, 51));
    superseded(&mut *store, epoch(5));
}

fn superseded(store: &mut dyn Store, found: Epoch) {
    for _ in 0..2 {
        let told = trouble(store.begin(&call(serial(2, 1), 1)));
        assert_eq!(told, Trouble::Superseded { found });
    }
    assert_eq!(trouble(store.commit()), Trouble::Superseded { found });
    let portion = Portion { from: Cursor::Start, before: i64::MAX, rows: 9 };
    assert_eq!(trouble(store.purge(&portion)), Trouble::Superseded { found });
    assert_eq!(trouble(store.confirm(&serial(1, 1), 1)), Trouble::Superseded { found });
}
