//! Desks followed from one standing to another.

use super::*;

/// A desk that has come up in order, and what it asked for on the way.
fn up() -> (Desk, Vec<String>) {
    let mut desk = Desk::default();
    let mut asked = Vec::new();
    let inputs = [Input::Ours(EPOCHS[1]), Input::Leased(EPOCHS[1]), Input::Armed(EPOCHS[1])];
    let mut wishes: Vec<Wish> = inputs.map(|i| step(&mut desk, i)).into_iter().flatten().collect();
    follow(&mut desk, &mut wishes, &mut asked);
    assert_eq!(desk.state, State::Running { epoch: EPOCHS[1] });
    (desk, asked)
}

/// Carries out what the desk wants, one act after the other, all of it well.
fn follow(desk: &mut Desk, wishes: &mut Vec<Wish>, asked: &mut Vec<String>) {
    loop {
        let acts: Vec<u64> = wishes.drain(..).filter_map(|w| act_of(&w, asked)).collect();
        if acts.is_empty() {
            return;
        }
        wishes.extend(acts.into_iter().flat_map(|act| step(desk, Input::Done(act, fine()))));
    }
}

fn act_of(wish: &Wish, asked: &mut Vec<String>) -> Option<u64> {
    let Wish::Do(epoch, number, act) = wish else { return None };
    assert_eq!(*epoch, EPOCHS[1]);
    asked.push(match act {
        Act::Start { resource, .. } => format!("start {resource}"),
        Act::Stop { resource, .. } => format!("stop {resource}"),
        Act::LetGo => "let go".to_owned(),
        Act::Recover { .. } => "tell of a return".to_owned(),
        Act::Ask { id, .. } => format!("ask {id}"),
        Act::Notify { notice, .. } => format!("notify of {}", notice.id),
        Act::Restart { resource, .. } => format!("restart {resource}"),
        Act::MoveAddress { resource, .. } => format!("move {resource}"),
        Act::Load { slot, .. } => format!("load {slot}"),
        Act::End { slot, .. } => format!("end {slot}"),
        Act::Adopt => "adopt".to_owned(),
    });
    Some(*number)
}

#[test]
fn cl_02_address_and_volume_come_before_what_is_after_them_and_go_in_exact_reverse() {
    let (mut desk, up) = up();
    assert_eq!(up, ["start disk", "start vip", "start cache", "start server"]);
    let mut down = Vec::new();
    let mut wishes = step(&mut desk, Input::Stop(Why::Ordered));
    follow(&mut desk, &mut wishes, &mut down);
    assert_eq!(down, ["stop server", "stop cache", "stop vip", "stop disk"]);
    assert_eq!(desk.state, State::Released { epoch: EPOCHS[1], why: Why::Ordered });
}

#[test]
fn cl_18_ph_18_a_stop_that_fails_becomes_a_release_of_everything_and_that_failing_is_stuck() {
    let (mut desk, _) = up();
    let stop = step(&mut desk, Input::Stop(Why::HandOver(node("b"))));
    let act = act_of(&stop[0], &mut Vec::new()).unwrap();
    let wishes = step(&mut desk, Input::Done(act, failed()));
    let mut asked = Vec::new();
    let act = act_of(&wishes[0], &mut asked).unwrap();
    assert_eq!(asked, ["let go"]);
    let wishes = step(&mut desk, Input::Done(act, failed()));
    assert!(matches!(wishes[..], [Wish::Stuck(..)]), "{wishes:?}");
    assert!(matches!(desk.state, State::Stuck { .. }), "never called released");
}

#[test]
fn a_start_that_fails_takes_down_what_was_up_from_the_failed_one_on() {
    let mut desk = Desk::default();
    for input in [Input::Ours(EPOCHS[1]), Input::Leased(EPOCHS[1])] {
        step(&mut desk, input);
    }
    let first = step(&mut desk, Input::Armed(EPOCHS[1]));
    let act = act_of(&first[0], &mut Vec::new()).unwrap();
    let both = step(&mut desk, Input::Done(act, fine()));
    let mut asked = Vec::new();
    let acts: Vec<u64> = both.iter().filter_map(|w| act_of(w, &mut asked)).collect();
    assert_eq!(asked, ["start vip", "start cache"], "side by side");
    asked.clear();
    let mut wishes = step(&mut desk, Input::Done(acts[0], failed()));
    assert_eq!(wishes, [], "the cache is still on its way up");
    wishes.extend(step(&mut desk, Input::Done(acts[1], fine())));
    follow(&mut desk, &mut wishes, &mut asked);
    assert_eq!(asked, ["stop cache", "stop vip", "stop disk"]);
    let State::Released { why: Why::Failure(cause), .. } = &desk.state else { panic!("released") };
    assert!(matches!(cause, Cause::StartFailed { resource, .. } if *resource == name("vip")));
}

#[test]
fn what_is_let_go_of_while_it_starts_is_let_go_of_again_after_the_last_start() {
    let mut desk = Desk::default();
    let first = [Input::Ours(EPOCHS[1]), Input::Leased(EPOCHS[1]), Input::Armed(EPOCHS[1])]
        .map(|input| step(&mut desk, input));
    let start = act_of(&first[2][0], &mut Vec::new()).unwrap();
    let wishes = step(&mut desk, Input::Lapsed);
    let mut asked = Vec::new();
    let release = act_of(&wishes[0], &mut asked).unwrap();
    assert_eq!(step(&mut desk, Input::Done(release, fine())), [], "the disk may still come up");
    let wishes = step(&mut desk, Input::Done(start, fine()));
    let again = act_of(&wishes[0], &mut asked).unwrap();
    assert_eq!(asked, ["let go", "let go"]);
    let wishes = step(&mut desk, Input::Done(again, fine()));
    assert!(matches!(wishes[..], [Wish::Released(_, Why::Lapsed)]), "{wishes:?}");
}

#[test]
fn a_hand_over_cuts_a_start_short_and_is_released_only_once_the_start_has_ended() {
    let mut desk = Desk::default();
    let first = [Input::Ours(EPOCHS[1]), Input::Leased(EPOCHS[1]), Input::Armed(EPOCHS[1])]
        .map(|input| step(&mut desk, input));
    let start = act_of(&first[2][0], &mut Vec::new()).unwrap();
    let mut asked = Vec::new();
    let wishes = step(&mut desk, Input::Stop(Why::HandOver(node("b"))));
    let release = act_of(&wishes[0], &mut asked).unwrap();
    assert_eq!(asked, ["let go"], "it does not wait for the start's limit");
    assert_eq!(step(&mut desk, Input::Stop(Why::HandOver(node("b")))), [], "told once more");
    assert_eq!(step(&mut desk, Input::Done(release, fine())), [], "the disk may still come up");
    let mut wishes = step(&mut desk, Input::Done(start, failed()));
    follow(&mut desk, &mut wishes, &mut asked);
    assert_eq!(asked, ["let go", "let go"]);
    let why = Why::HandOver(node("b"));
    assert_eq!(desk.state, State::Released { epoch: EPOCHS[1], why });
}

#[test]
fn a_hand_over_cuts_short_what_a_failed_start_waits_for_and_it_has_failed_all_the_same() {
    let mut desk = Desk::default();
    let first = [Input::Ours(EPOCHS[1]), Input::Leased(EPOCHS[1]), Input::Armed(EPOCHS[1])]
        .map(|input| step(&mut desk, input));
    let disk = act_of(&first[2][0], &mut Vec::new()).unwrap();
    let both = step(&mut desk, Input::Done(disk, fine()));
    let acts: Vec<u64> = both.iter().filter_map(|w| act_of(w, &mut Vec::new())).collect();
    assert_eq!(step(&mut desk, Input::Done(acts[0], failed())), [], "the other start hangs");
    let mut wishes = step(&mut desk, Input::Stop(Why::HandOver(node("b"))));
    let mut asked = Vec::new();
    follow(&mut desk, &mut wishes, &mut asked);
    assert_eq!(asked, ["let go"]);
    let mut wishes = step(&mut desk, Input::Done(acts[1], failed()));
    follow(&mut desk, &mut wishes, &mut asked);
    assert_eq!(asked, ["let go", "let go"]);
    assert!(matches!(&desk.state, State::Released { why: Why::Failure(_), .. }));
}

#[test]
fn a_mend_takes_down_only_what_stands_on_the_failed_one_and_waits_for_the_record() {
    let (mut desk, _) = up();
    let mut wishes = step(&mut desk, Input::Died(name("vip"), died(), Mend::InPlace));
    assert!(matches!(wishes[0], Wish::Record(..)), "the failure counts");
    let mut asked = Vec::new();
    follow(&mut desk, &mut wishes, &mut asked);
    assert_eq!(asked, ["stop server", "stop vip"], "the cache does not stand on it");
    assert_eq!(desk.state, State::Mending { epoch: EPOCHS[1], place: 1, by: Mended::Anew });
    let mut wishes = step(&mut desk, Input::Recorded);
    follow(&mut desk, &mut wishes, &mut asked);
    assert_eq!(asked[2..], ["start vip", "start server"]);
    assert_eq!(desk.state, State::Running { epoch: EPOCHS[1] });
}

#[test]
fn what_ends_beside_a_mend_is_a_failure_and_what_stands_on_the_failed_one_is_not() {
    for mend in [Mend::InPlace, Mend::GiveAway, Mend::Leave] {
        let (mut desk, _) = up();
        let wishes = step(&mut desk, Input::Died(name("vip"), died(), Mend::InPlace));
        let stop = act_of(&wishes[1], &mut Vec::new()).unwrap();
        assert_eq!(step(&mut desk, Input::Died(name("server"), died(), mend)), [], "it is stopped");
        step(&mut desk, Input::Died(name("cache"), died(), mend));
        let mut wishes = step(&mut desk, Input::Done(stop, fine()));
        let mut asked = Vec::new();
        follow(&mut desk, &mut wishes, &mut asked);
        assert_eq!(asked, ["stop cache", "stop vip", "stop disk"], "nobody would start it again");
        assert!(matches!(&desk.state, State::Released { why: Why::Failure(_), .. }));
    }
}

#[test]
fn ph_04_a_monitor_is_asked_every_so_often_and_only_failures_in_a_row_count() {
    let (mut desk, _) = up();
    let mut now = Moment(0);
    let mut ask = |desk: &mut Desk| {
        now = desk.next_ask().expect("it is due some time");
        let mut out = Vec::new();
        ask_at(desk, Moment(now.0 - 1), &mut out);
        assert_eq!(out, [], "not before its time");
        ask_at(desk, now, &mut out);
        let mut asked = Vec::new();
        let act = act_of(&out[0], &mut asked).unwrap();
        assert_eq!(asked, ["ask server"]);
        act
    };
    for outcome in [failed(), fine(), failed()] {
        let act = ask(&mut desk);
        assert_eq!(step(&mut desk, Input::Done(act, outcome)), []);
        assert_eq!(desk.state, State::Running { epoch: EPOCHS[1] });
    }
    let act = ask(&mut desk);
    step(&mut desk, Input::Done(act, failed()));
    let State::Stopping { why: Why::Failure(cause), .. } = &desk.state else {
        panic!("two failures in a row: {:?}", desk.state)
    };
    assert!(matches!(cause, Cause::MonitorFailed { .. }));
}

#[test]
fn the_first_question_of_a_monitor_waits_for_its_delay_and_the_next_for_its_interval() {
    let (mut desk, _) = up();
    let first = desk.next_ask().expect("it is due some time");
    assert_eq!(first, Moment(0) + Span::secs(1));
    let mut out = Vec::new();
    ask_at(&mut desk, first, &mut out);
    let act = act_of(&out[0], &mut Vec::new()).unwrap();
    step(&mut desk, Input::Done(act, fine()));
    assert_eq!(desk.next_ask(), Some(first + Span::secs(2)));
}

#[test]
fn a_monitor_that_has_not_answered_is_not_asked_again() {
    let (mut desk, _) = up();
    let mut out = Vec::new();
    ask_at(&mut desk, Moment(0) + Span::secs(2), &mut out);
    ask_at(&mut desk, Moment(0) + Span::secs(60), &mut out);
    assert_eq!(out.len(), 1);
}

#[test]
fn what_a_former_agent_left_is_taken_over_whole_or_let_go_of() {
    let whole = ["disk", "vip", "cache", "server"].map(name).to_vec();
    for (found, running) in [(whole, true), (vec![name("disk")], false), (vec![], false)] {
        let mut desk = Desk::default();
        let wishes = step(&mut desk, Input::OursFromBefore(EPOCHS[1]));
        let act = act_of(&wishes[0], &mut Vec::new()).unwrap();
        let wishes = step(&mut desk, Input::Done(act, Outcome::Adopted(found)));
        let up = desk.state == State::Running { epoch: EPOCHS[1] };
        assert_eq!(up, running);
        let starts = |w: &Wish| matches!(w, Wish::Do(_, _, Act::Start { .. }));
        assert!(!wishes.iter().any(starts), "nothing is started to make it whole");
    }
}
