//! What an agent answers that has just begun.

use super::*;

fn just_begun(record: Record) -> Standing {
    let certificate_until = Some(Wall(4_000_000_000_000));
    Standing { certificate_until, sights: Default::default(), ..standing(record) }
}

fn drills() -> Request {
    Request::Drill { group: "PAY".to_owned() }
}

#[test]
fn whoever_asks_an_agent_that_has_just_begun_waits_until_it_has_looked() {
    let site = Site::with(&record());
    site.standing.send_replace(Arc::new(just_begun(Record::default())));
    let before = site.standing.receiver_count();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| site.ask(drills()));
        until("the question waits", || {
            site.standing.receiver_count() > before || asked.is_finished()
        });
        let known = Standing { certificate_until: None, ..standing(record()) };
        site.standing.send_replace(Arc::new(known));
        let reply = asked.join().unwrap();
        assert!(matches!(reply, Reply::Drill(_)), "{reply:?}");
    });
}

#[test]
fn a_node_that_has_not_received_the_ledger_does_not_say_that_there_is_no_group() {
    let site = Site::with(&record());
    site.standing.send_replace(Arc::new(just_begun(Record::default())));
    let refused = no(site.ask(drills()));
    assert_eq!(refused.kind, No::NoMajority);
    assert!(text(&refused.what).contains("has not received the ledger"), "{refused:?}");
}

#[test]
fn a_node_is_informed_once_it_has_looked_and_is_not_known_to_lack_the_record() {
    let (founded, missed) = (standing(Record::default()), Index(7));
    let founded = Standing { certificate_until: Some(Wall(1)), ..founded };
    assert!(founded.is_informed(), "nobody has a record before a majority has joined");
    let behind = Standing { newest: missed, ..founded };
    assert!(!behind.is_informed(), "others have one");
    assert!(!just_begun(record()).is_informed(), "it has not looked");
    let nowhere = Standing { certificate_until: None, ..just_begun(Record::default()) };
    assert!(nowhere.is_informed(), "it is in no cluster");
}
