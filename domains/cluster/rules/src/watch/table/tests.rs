//! What a watched program does and wants in every state.

use tsugi_vocabulary::{Epoch, ResourceName, Wall};

use super::super::{Load, WatchId, Watchlist};
use super::*;
use crate::record::Order;

const START: Moment = Moment(10_000_000_000);

fn at(secs: u64) -> Moment {
    START + Span::secs(secs)
}

fn watched(at_end: AtEnd) -> Watched {
    let load =
        Load { service: None, run: vec!["/opt/ap".to_owned()], dir: None, user: None, at_end };
    let mut list = Watchlist::default();
    let id = WatchId::new("AP").unwrap();
    list.put(Epoch { incarnation: 1, counter: 1 }, id.clone(), load, |_| false);
    list.programs[&id].clone()
}

fn held(mut watched: Watched) -> Watched {
    let (by, reason, command) = ("mika".to_owned(), "disk".to_owned(), "c-1".to_owned());
    watched.held = Some(Order { by, reason, at: Wall(0), command });
    watched
}

fn ending(mut watched: Watched, within: Span) -> Watched {
    watched.ending = Some(within);
    watched
}

fn ground(wanted: Option<&Watched>, now: Moment) -> Ground<'_> {
    let (service, paused, newest) = (Service::On, false, true);
    Ground { now, wanted, service, paused, newest, scripts_again: 0 }
}

fn how() -> How {
    How::from("exit 3")
}

/// One that was started and runs.
fn up(watched: &Watched) -> Watch {
    let mut watch = Watch::new(State::New, START);
    assert_eq!(watch.step(&ground(Some(watched), START), Input::Look), [Wish::Start]);
    assert_eq!(watch.step(&ground(Some(watched), START), Input::Started), []);
    assert_eq!(watch.state, State::Up);
    watch
}

fn restart(times: u32, within: Option<Span>, wait: Span, interval: Span) -> Watched {
    watched(AtEnd::Restart { times, within, wait, interval, again: Again::Program })
}

#[test]
fn cl_09_with_m_the_end_is_a_failure_and_without_it_is_only_written_down() {
    let logged = watched(AtEnd::Log);
    let mut watch = up(&logged);
    let wishes = watch.step(&ground(Some(&logged), at(1)), Input::Ended(how()));
    assert_eq!(wishes, [Wish::Note(how(), Then::Nothing)]);
    assert_eq!(watch.state, State::Ended { how: how() });
    assert_eq!(watch.step(&ground(Some(&logged), at(2)), Input::Look), [], "and it stays so");
    for recovery in [Recovery::AsConfigured, Recovery::TakeOver] {
        let watched = watched(AtEnd::Recover { how: recovery });
        let mut watch = up(&watched);
        let wishes = watch.step(&ground(Some(&watched), at(1)), Input::Ended(how()));
        assert_eq!(wishes, [Wish::Fail(how(), recovery)]);
    }
}

#[test]
fn cl_11_a_program_is_restarted_n_times_within_h_hours_and_then_the_group_fails() {
    let hour = Span::secs(3_600);
    let watched = restart(2, Some(hour), Span::ZERO, Span::ZERO);
    let mut watch = up(&watched);
    let mut end = |secs: u64| {
        let wishes = watch.step(&ground(Some(&watched), at(secs)), Input::Ended(how()));
        let _up = watch.step(&ground(Some(&watched), at(secs)), Input::Started);
        wishes
    };
    let again = [Wish::Note(how(), Then::StartedAgain), Wish::Start];
    assert_eq!(end(1), again);
    assert_eq!(end(2), again);
    // The first two no longer count.
    assert_eq!(end(3_700), again);
    assert_eq!(end(3_701), again);
    assert_eq!(end(3_702), [Wish::Fail(how(), Recovery::TakeOver)]);
}

#[test]
fn cl_11_without_hours_every_restart_counts_for_ever() {
    let watched = restart(1, None, Span::ZERO, Span::ZERO);
    let mut watch = up(&watched);
    let first = watch.step(&ground(Some(&watched), at(1)), Input::Ended(how()));
    assert_eq!(first.last(), Some(&Wish::Start));
    let _up = watch.step(&ground(Some(&watched), at(1)), Input::Started);
    let later = at(1_000_000);
    let wishes = watch.step(&ground(Some(&watched), later), Input::Ended(how()));
    assert_eq!(wishes, [Wish::Fail(how(), Recovery::TakeOver)]);
}

#[test]
fn cl_11_wait_delays_a_restart_and_int_spaces_it_from_the_last_start() {
    let cases = [(5, 0, 6), (0, 30, 30), (5, 30, 30), (40, 30, 41)];
    for (wait, interval, due) in cases {
        let watched = restart(9, None, Span::secs(wait), Span::secs(interval));
        let mut watch = up(&watched);
        let wishes = watch.step(&ground(Some(&watched), at(1)), Input::Ended(how()));
        assert_eq!(wishes, [Wish::Note(how(), Then::StartedAgain)]);
        assert_eq!(watch.next_look(), Some(at(due)), "wait {wait}, interval {interval}");
        assert_eq!(watch.step(&ground(Some(&watched), at(due - 1)), Input::Look), []);
        assert_eq!(watch.step(&ground(Some(&watched), at(due)), Input::Look), [Wish::Start]);
        assert_eq!(watch.next_look(), None);
    }
}

#[test]
fn cl_11_with_scr_the_scripts_are_run_again_after_the_same_delays_as_often_as_is_left() {
    let (hour, wait) = (Some(Span::secs(3_600)), Span::secs(5));
    let again = Again::Scripts;
    let interval = Span::ZERO;
    let watched = watched(AtEnd::Restart { times: 2, within: hour, wait, interval, again });
    let after = |scripts_again, now| Ground { scripts_again, ..ground(Some(&watched), now) };
    let mut watch = up(&watched);
    let wishes = watch.step(&after(1, at(1)), Input::Ended(how()));
    assert_eq!(wishes, [Wish::Note(how(), Then::ScriptsAgain)]);
    assert_eq!(watch.step(&after(1, at(5)), Input::Look), [], "it waits");
    let recovery = Recovery::Scripts { times: 2, within: hour };
    assert_eq!(watch.step(&after(1, at(6)), Input::Look), [Wish::Fail(how(), recovery)]);
    assert_eq!(watch.state, State::Failed { how: how() }, "the program alone is not started");
    // It is used up: nothing is waited for.
    let mut watch = up(&watched);
    let wishes = watch.step(&after(2, at(1)), Input::Ended(how()));
    assert_eq!(wishes, [Wish::Fail(how(), Recovery::TakeOver)]);
}

#[test]
fn a_restart_that_does_not_start_counts_as_an_end() {
    let watched = restart(1, None, Span::ZERO, Span::ZERO);
    let mut watch = up(&watched);
    let _again = watch.step(&ground(Some(&watched), at(1)), Input::Ended(how()));
    let wishes = watch.step(&ground(Some(&watched), at(1)), Input::NotStarted(how()));
    assert_eq!(wishes, [Wish::Fail(how(), Recovery::TakeOver)]);
}

#[test]
fn cl_07_a_program_that_does_not_start_is_told_to_who_loaded_it_and_is_no_failure() {
    let watched = watched(AtEnd::Recover { how: Recovery::TakeOver });
    let mut watch = Watch::new(State::New, START);
    assert_eq!(watch.step(&ground(Some(&watched), START), Input::Look), [Wish::Start]);
    assert_eq!(watch.step(&ground(Some(&watched), START), Input::NotStarted(how())), []);
    assert_eq!(watch.state, State::Refused { how: how() });
    assert_eq!(watch.step(&ground(Some(&watched), at(1)), Input::Look), []);
}

#[test]
fn cl_13_what_was_taken_off_the_list_is_ended_and_its_end_is_no_failure() {
    let watched = watched(AtEnd::Recover { how: Recovery::TakeOver });
    let gone = ending(watched.clone(), Span::secs(100));
    // It is told to end.
    let mut watch = up(&watched);
    let wishes = watch.step(&ground(Some(&gone), at(1)), Input::Look);
    assert_eq!(wishes, [Wish::End(Span::secs(100))]);
    assert_eq!(watch.step(&ground(Some(&gone), at(1)), Input::Ended(how())), []);
    assert_eq!(watch.step(&ground(Some(&gone), at(2)), Input::Gone(EndedBy::Force)), []);
    assert_eq!(watch.state, State::Over { end: EndedBy::Force });
    // It ends by itself before it is told.
    let mut watch = up(&watched);
    assert_eq!(watch.step(&ground(Some(&gone), at(1)), Input::Ended(how())), []);
    assert_eq!(watch.state, State::Over { end: EndedBy::Itself });
    // It was being started when it was taken off.
    let mut watch = Watch::new(State::New, START);
    let _starts = watch.step(&ground(Some(&watched), START), Input::Look);
    assert_eq!(watch.step(&ground(Some(&gone), at(1)), Input::Look), []);
    let wishes = watch.step(&ground(Some(&gone), at(1)), Input::Started);
    assert_eq!(wishes, [Wish::End(Span::secs(100))]);
}

#[test]
fn cl_13_a_program_that_cannot_be_ended_is_told_to_end_again() {
    let gone = ending(watched(AtEnd::Log), Span::secs(3));
    let mut watch = Watch::new(State::Up, START);
    let end = [Wish::End(Span::secs(3))];
    assert_eq!(watch.step(&ground(Some(&gone), START), Input::Look), end);
    assert_eq!(watch.step(&ground(Some(&gone), at(5)), Input::NotGone), []);
    assert_eq!(watch.step(&ground(Some(&gone), at(5)), Input::Look), end);
}

#[test]
fn cl_15_of_an_end_under_a_suspended_watch_nothing_follows_until_it_is_taken_up_again() {
    let ends = [
        AtEnd::Log,
        AtEnd::Recover { how: Recovery::TakeOver },
        AtEnd::Restart {
            times: 1,
            within: None,
            wait: Span::ZERO,
            interval: Span::ZERO,
            again: Again::Program,
        },
    ];
    for at_end in ends {
        let watched = watched(at_end);
        let held = held(watched.clone());
        let mut watch = up(&watched);
        let wishes = watch.step(&ground(Some(&held), at(1)), Input::Ended(how()));
        assert_eq!(wishes, [Wish::Note(how(), Then::Suspended)]);
        assert_eq!(watch.step(&ground(Some(&held), at(2)), Input::Look), []);
        assert_eq!(watch.step(&ground(Some(&watched), at(3)), Input::Look), [Wish::Start]);
    }
}

#[test]
fn a_paused_group_is_left_alone_with_its_watched_programs() {
    let watched = watched(AtEnd::Recover { how: Recovery::TakeOver });
    let paused = |now| Ground { paused: true, ..ground(Some(&watched), now) };
    let mut watch = up(&watched);
    let wishes = watch.step(&paused(at(1)), Input::Ended(how()));
    assert_eq!(wishes, [Wish::Note(how(), Then::Suspended)]);
    assert_eq!(watch.step(&paused(at(2)), Input::Look), []);
    assert_eq!(watch.step(&ground(Some(&watched), at(3)), Input::Look), [Wish::Start]);
    let mut new = Watch::new(State::New, START);
    assert_eq!(new.step(&paused(at(1)), Input::Look), [], "nothing is started either");
}

#[test]
fn a_restart_that_waits_when_the_watch_is_suspended_waits_for_it_and_looks_no_more() {
    let watched = restart(9, None, Span::secs(5), Span::ZERO);
    let held = held(watched.clone());
    let mut watch = up(&watched);
    let _rests = watch.step(&ground(Some(&watched), at(1)), Input::Ended(how()));
    assert_eq!(watch.step(&ground(Some(&held), at(2)), Input::Look), []);
    assert_eq!(watch.next_look(), None);
    assert_eq!(watch.step(&ground(Some(&watched), at(3)), Input::Look), [Wish::Start]);
}

#[test]
fn cl_17_the_end_of_a_program_whose_group_is_being_stopped_is_no_failure() {
    let watched = watched(AtEnd::Recover { how: Recovery::TakeOver });
    let off = |now| Ground { service: Service::Off, ..ground(Some(&watched), now) };
    let mut watch = up(&watched);
    assert_eq!(watch.step(&off(at(1)), Input::Ended(how())), []);
    assert_eq!(watch.state, State::Ended { how: how() });
    let mut new = Watch::new(State::New, START);
    assert_eq!(new.step(&off(at(1)), Input::Look), [], "nothing is started then");
}

#[test]
fn what_a_new_agent_does_not_find_has_ended_once_its_list_is_the_newest() {
    let watched = watched(AtEnd::Recover { how: Recovery::TakeOver });
    let mut watch = Watch::new(State::Missing, START);
    let old = Ground { newest: false, ..ground(Some(&watched), START) };
    assert_eq!(watch.step(&old, Input::Look), [], "it may have been taken off since");
    let wishes = watch.step(&ground(Some(&watched), at(1)), Input::Look);
    assert!(matches!(wishes.as_slice(), [Wish::Fail(_, Recovery::TakeOver)]), "{wishes:?}");
}

#[test]
fn an_answer_to_what_is_not_under_way_changes_nothing() {
    let watched = watched(AtEnd::Recover { how: Recovery::TakeOver });
    let states = [
        State::New,
        State::Refused { how: how() },
        State::Ended { how: how() },
        State::Suspended { how: how() },
        State::Failed { how: how() },
        State::Resting { until: at(9), how: how() },
        State::Over { end: EndedBy::Itself },
    ];
    let inputs = [
        Input::Started,
        Input::NotStarted(how()),
        Input::Ended(how()),
        Input::Gone(EndedBy::Itself),
        Input::NotGone,
    ];
    for state in states {
        for input in inputs.clone() {
            let mut watch = Watch::new(state.clone(), START);
            assert_eq!(watch.step(&ground(Some(&watched), at(1)), input.clone()), []);
            assert_eq!(watch.state, state, "{input:?}");
        }
    }
    assert!(ResourceName::new(watched.slot.as_str()).is_ok());
}
