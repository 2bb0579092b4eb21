//! The list as it is told.

use std::sync::Arc;

use tsugi_cluster_rules::reason::How;
use tsugi_cluster_rules::record::Draft;
use tsugi_cluster_rules::record::Write;
use tsugi_vocabulary::{Index, Span, Wall};

use super::*;
use crate::control::view::scenes;

fn load(at_end: AtEnd) -> Load {
    Load { service: None, run: vec!["/opt/ap".to_owned()], dir: None, user: None, at_end }
}

/// A group of this owner with one program on its list; the picture is of node2.
fn standing(owner: &str, change: impl FnOnce(&mut Watched)) -> Standing {
    let mut entry = scenes::owned(owner);
    let (epoch, id) = (entry.epoch, WatchId::new("ap").unwrap());
    entry.watched.put(epoch, id.clone(), load(AtEnd::Log), |_| false);
    change(entry.watched.programs.get_mut(&id).unwrap());
    let mut standing = scenes::standing(Record::default());
    let mut record = Record::default();
    let write = Write::Group(GroupName::new("PAY").unwrap(), Arc::new(entry));
    record.apply(&Draft::default().write(write), Index(1));
    standing.record = Arc::new(record);
    standing
}

fn told(standing: &Standing) -> wire::Program {
    programs(standing).programs.remove(0)
}

#[test]
fn how_a_program_stands_is_told_where_its_group_runs() {
    let states = [
        (State::New, wire::State::Starting),
        (State::Up, wire::State::Up),
        (State::Ending, wire::State::Ending),
        (State::Failed { how: "exit 3".into() }, wire::State::Failed),
        (State::Refused { how: "exit 3".into() }, wire::State::Refused),
        (State::Suspended { how: "exit 3".into() }, wire::State::Ended),
        (State::Over { end: EndedBy::Itself }, wire::State::Gone),
        (State::Over { end: EndedBy::Force }, wire::State::Killed),
    ];
    for (state, word) in states {
        let how = match &state {
            State::Failed { how } | State::Refused { how } | State::Suspended { how } => {
                Some(How::to_string(how))
            }
            _ => None,
        };
        let mut standing = standing("node2", |_| ());
        let slot = told(&standing).slot;
        let slot = tsugi_vocabulary::ResourceName::new(&slot).unwrap();
        standing.watches.insert((GroupName::new("PAY").unwrap(), slot), state);
        let program = told(&standing);
        assert_eq!((program.id.as_str(), program.group.as_str()), ("AP", "PAY"));
        assert_eq!((program.state, program.detail), (word, how));
    }
    assert_eq!(told(&standing("node1", |_| ())).state, wire::State::Elsewhere);
    let gone = standing("node2", |watched| watched.ending = Some(Span::secs(1)));
    assert_eq!(told(&gone).state, wire::State::Gone, "an agent before this one has ended it");
}

#[test]
fn cl_15_a_suspended_watch_says_by_whom_and_why() {
    let order = Order {
        by: "mika".to_owned(),
        reason: "new disk".to_owned(),
        at: Wall(7),
        command: "c-1".to_owned(),
    };
    let held = told(&standing("node1", |watched| watched.held = Some(order))).held;
    let held = held.expect("it is suspended, on every node");
    assert_eq!((held.by.as_str(), held.reason.as_str(), held.at.0.0), ("mika", "new disk", 7));
    assert_eq!(told(&standing("node1", |_| ())).held, None);
}

#[test]
fn what_an_end_means_is_the_same_in_requests_and_in_the_record() {
    let (wait, interval) = (Span::secs(5), Span::secs(30));
    let restart = |again| {
        let within = Some(Span::secs(7));
        AtEnd::Restart { times: 3, within, wait, interval, again }
    };
    for at_end in [
        AtEnd::Log,
        AtEnd::Recover { how: Recovery::AsConfigured },
        AtEnd::Recover { how: Recovery::TakeOver },
        restart(Again::Program),
        restart(Again::Scripts),
    ] {
        assert_eq!(to_rules(&from_rules(&load(at_end.clone()))), load(at_end));
    }
}
