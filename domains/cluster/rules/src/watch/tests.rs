//! Ids and the list.

use super::*;

#[test]
fn cl_12_each_way_to_get_a_watch_id_wrong_has_its_own_refusal() {
    let longest = "a".repeat(255);
    assert_eq!(WatchId::new(&longest).map(|id| id.as_str().len()), Ok(255));
    let refused = |text: &str| WatchId::new(text).unwrap_err();
    assert_eq!(refused(""), WatchIdRefused::Empty);
    assert_eq!(refused(&format!("{longest}b")), WatchIdRefused::TooLong { length: 256 });
    assert_eq!(refused("TUS-INAP"), WatchIdRefused::Character { found: '-' });
    assert_eq!(refused("通信"), WatchIdRefused::Character { found: '通' });
    for reserved in ["NEC_", "NEC_MIRROR", "nec_mirror", "Nec_Mirror"] {
        assert_eq!(refused(reserved), WatchIdRefused::Reserved, "{reserved}");
    }
    assert!(WatchId::new("NECO").is_ok(), "only what begins with all four");
}

#[test]
fn cl_12_letter_case_makes_no_other_id() {
    assert_eq!(WatchId::new("WinSAM_PID"), WatchId::new("WINSAM_pid"));
    assert_eq!(WatchId::new("WM_IS").unwrap().as_str(), "WM_IS");
}

fn load() -> Load {
    Load {
        service: None,
        run: vec!["/opt/ap".to_owned()],
        dir: None,
        user: None,
        at_end: AtEnd::Log,
    }
}

fn id(text: &str) -> WatchId {
    WatchId::new(text).unwrap()
}

#[test]
fn a_name_to_run_under_is_given_out_once_an_epoch_and_never_a_resources() {
    let (first, second) =
        (Epoch { incarnation: 1, counter: 1 }, Epoch { incarnation: 1, counter: 2 });
    let mut list = Watchlist::default();
    for text in ["A", "B"] {
        list.put(first, id(text), load(), |name| name == "watch-2");
    }
    let slot =
        |list: &Watchlist, epoch, text| list.get(epoch, &id(text)).map(|w| w.slot.to_string());
    assert_eq!(slot(&list, first, "A").as_deref(), Some("watch-1"));
    assert_eq!(slot(&list, first, "b").as_deref(), Some("watch-3"));
    list.programs.remove(&id("B"));
    list.put(first, id("B"), load(), |_| false);
    assert_eq!(slot(&list, first, "B").as_deref(), Some("watch-4"), "the former may still end");
    assert_eq!(slot(&list, second, "A"), None, "void under another epoch");
    list.put(second, id("C"), load(), |_| false);
    assert_eq!(slot(&list, second, "C").as_deref(), Some("watch-1"), "begun anew");
    assert_eq!(list.programs.len(), 1);
}
