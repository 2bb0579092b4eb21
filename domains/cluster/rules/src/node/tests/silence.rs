//! Networks, voters and leases that are lost.

use super::*;
use crate::lease::heartbeat::NoPromise;
use crate::plan::Stand;
use crate::reason::Way;
use crate::record::{Guard, Happening, LinkState, Order as Ordered, Pause};

#[test]
fn cl_26_an_owner_that_hears_no_voter_lets_go_before_any_promise_to_it_ends() {
    let mut bench = Bench::running(record());
    let timing = bench.node.timing();
    let last = bench.beats.last().unwrap().sent;
    bench.voters.clear();
    let (deadline, budget) = (bench.node.deadline(&pay()).unwrap(), timing.stop + timing.guard);
    // A voter promised from when it received the beat, which is not before it was sent.
    assert!(deadline + budget <= last + timing.ttl, "the stop fits before the promise ends");
    bench.ledger = Ledger::Silent;
    while bench.now < deadline {
        assert_eq!(bench.done, [""; 0], "its right still stands");
        bench.pass(Span::millis(5));
    }
    assert_eq!(bench.done, ["let go", "disarm"], "at its deadline, without asking anybody");
    assert!(matches!(bench.desk(), State::Released { .. }));
    bench.voters = vec![name("b"), name("c")];
    bench.pass(Span::secs(2));
    assert_eq!(bench.done.len(), 2, "voters that are back do not bring that epoch back");
}

#[test]
fn what_died_after_the_deadline_of_a_node_that_stood_still_was_ended_by_its_guardian() {
    let mut bench = Bench::running(record());
    bench.voters.clear();
    bench.ledger = Ledger::Silent;
    // The hands are the first to tell of what happened meanwhile.
    bench.now = bench.node.deadline(&pay()).unwrap() + Span::millis(30);
    bench.dies("server");
    assert_eq!(bench.done, ["let go", "disarm"], "nothing is mended in place");
    bench.pass(Span::millis(200));
    let stand = bench.beats.last().unwrap().health.groups[&pay()].stand.clone();
    assert_eq!(stand, Stand::Failed(Cause::LeaseRanOut { node: name("a") }));
}

#[test]
fn one_voter_besides_itself_keeps_an_owner_of_three_going() {
    let mut bench = Bench::running(record());
    bench.voters = vec![name("c")];
    bench.pass(Span::secs(5));
    assert_eq!(bench.done, [""; 0]);
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) });
}

/// A pause that pins the group to the node of the bench.
fn pinned_here(guard: Guard) -> Option<Pause> {
    let (by, reason) = ("mika".to_owned(), "new disk".to_owned());
    let order = Ordered { by, reason, at: Wall(0), command: "c-1".to_owned() };
    Some(Pause { order, until: None, pinned: Some(name("a")), guard })
}

#[test]
fn what_a_lost_guardian_had_not_confirmed_after_a_resume_is_let_go() {
    let mut bench = Bench::running(record());
    bench.change(|g| g.pause = pinned_here(Guard::Disarmed));
    bench.pass(Span::secs(2));
    assert_eq!(bench.done, ["disarm"], "it is left alone");
    bench.voters.clear();
    bench.change(|g| g.pause = pinned_here(Guard::Rearming));
    bench.tell(Event::GuardianLost);
    assert_eq!(bench.done[1..2], ["let go"], "no guardian had it to let go of: {:?}", bench.done);
    assert!(matches!(bench.desk(), State::Released { .. }), "{:?}", bench.desk());
}

#[test]
fn a_pinned_group_runs_on_when_its_lease_runs_out() {
    let mut bench = Bench::running(record());
    bench.change(|g| g.pause = pinned_here(Guard::Disarmed));
    assert_eq!(bench.done, ["disarm"], "the guardian leaves it alone");
    bench.voters.clear();
    bench.ledger = Ledger::Silent;
    bench.pass(Span::secs(5));
    bench.dies("server");
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, ["disarm"], "nothing is stopped, nothing is mended");
}

#[test]
fn cl_31_a_former_owner_that_learns_of_a_higher_epoch_lets_go_and_is_quiet() {
    let mut bench = Bench::running(record());
    bench.write(owned(2, "b"));
    assert_eq!(bench.done, ["let go", "disarm"]);
    bench.pass(Span::secs(3));
    assert_eq!(bench.done.len(), 2, "nothing more is done here");
    assert_eq!(bench.desk(), &State::Clear);
    assert_eq!(bench.entries().len(), 0, "and nothing is written about it");
    assert_eq!(bench.group(), &owned(2, "b"));
    let asked = |b: &Heartbeat| b.asked.iter().any(|(_, e)| *e == epoch(2));
    assert!(!bench.beats.iter().any(asked), "the new owner's epoch is not asked for");
}

/// The node leads the ledger, and b runs the group.
fn watching() -> (Bench, Heartbeat) {
    let mut bench = Bench::new(record());
    bench.tell(Event::Leader { term: 2, leader: Some(name("a")) });
    bench.write(owned(1, "b"));
    let mut beat = beat_of("b", 1, &bench.record);
    let stand = crate::plan::Stand::Running;
    let runs_as = crate::plan::RunsAs::Applied;
    let sight = crate::plan::DeskSight { epoch: epoch(1), stand, runs_as, failing: None };
    beat.asked.push((pay(), epoch(1)));
    beat.health.groups.insert(pay(), sight);
    (bench, beat)
}

/// For a while b is heard on the networks named, and c on all.
fn heard(bench: &mut Bench, beat: &mut Heartbeat, networks: &[usize], times: u64) {
    for _ in 0..times {
        beat.sequence += 1;
        for network in networks {
            bench.tell(Event::Heard { via: via(*network), beat: beat.clone().into() });
        }
        let witness = beat_of("c", beat.sequence, &bench.record);
        for network in [0, 1] {
            bench.tell(Event::Heard { via: via(network), beat: witness.clone().into() });
        }
        bench.pass(Span::millis(50));
    }
}

#[test]
fn cl_25_the_loss_of_one_network_is_noted_and_takes_nothing_over_the_loss_of_all_does() {
    let (mut bench, mut beat) = watching();
    bench.tell(Event::Link { link: "eth0".to_owned(), state: LinkState::Up });
    heard(&mut bench, &mut beat, &[0, 1], 30);
    bench.taken.clear();
    bench.tell(Event::Link { link: "eth0".to_owned(), state: LinkState::Down });
    heard(&mut bench, &mut beat, &[1], 60);
    let noted = |w: &Write| match w {
        Write::Event(event) => {
            matches!(&event.what, Happening::Link { state: LinkState::Down, .. })
        }
        _ => false,
    };
    assert!(bench.taken.iter().flat_map(|d| &d.writes).any(noted), "it is noted");
    assert_eq!(bench.group().epoch, epoch(1), "and nothing is taken over");
    heard(&mut bench, &mut beat, &[], 60);
    assert_eq!(bench.group().owner(), Some(&name("a")), "heard on no network: taken over");
    assert_eq!(bench.group().epoch, epoch(2), "under a higher epoch");
}

#[test]
fn cl_25_without_a_majority_of_votes_nothing_is_taken_over() {
    let (mut bench, mut beat) = watching();
    heard(&mut bench, &mut beat, &[0, 1], 30);
    bench.voters.clear();
    bench.pass(Span::secs(5));
    assert_eq!(bench.group().owner(), Some(&name("b")), "it cannot know who is cut off");
    assert_eq!(bench.group().epoch, epoch(1));
}

/// What the ledger was told of a node that came back.
fn return_of(bench: &Bench, node: &str) -> Option<Cause> {
    bench.taken.iter().flat_map(|d| &d.writes).find_map(|w| match w {
        Write::Event(event) => match &event.what {
            Happening::Returned { node: who, cause, .. } if *who == name(node) => {
                Some(cause.clone())
            }
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn a_silent_node_that_had_heard_the_others_was_lost_one_way() {
    let cases = [
        (Some(Span::millis(56)), Cause::OneWay { node: name("b"), way: Way::FromIt }),
        (Some(Span::secs(3)), Cause::WasCutOff { node: name("b") }),
        (None, Cause::WasCutOff { node: name("b") }),
    ];
    for (deaf_lately, cause) in cases {
        let (mut bench, mut beat) = watching();
        heard(&mut bench, &mut beat, &[0, 1], 30);
        heard(&mut bench, &mut beat, &[], 60);
        beat.health.deaf_lately = deaf_lately;
        heard(&mut bench, &mut beat, &[0, 1], 2);
        assert_eq!(return_of(&bench, "b"), Some(cause), "{deaf_lately:?}");
    }
}

#[test]
fn cl_42_a_return_tells_since_which_entry_the_node_was_missed() {
    let (mut bench, mut beat) = watching();
    heard(&mut bench, &mut beat, &[0, 1], 30);
    let before = bench.record.applied;
    heard(&mut bench, &mut beat, &[], 60);
    let taken = bench.record.groups[&pay()].version;
    heard(&mut bench, &mut beat, &[0, 1], 2);
    heard(&mut bench, &mut beat, &[], 60);
    heard(&mut bench, &mut beat, &[0, 1], 2);
    let since: Vec<Index> = bench
        .taken
        .iter()
        .flat_map(|d| &d.writes)
        .filter_map(|w| match w {
            Write::Event(event) => match &event.what {
                Happening::Returned { last_seen, .. } => *last_seen,
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(since.len(), 2, "{since:?}");
    assert!(since[0] >= before && since[0] < taken, "the group was taken after that: {since:?}");
    assert!(since[1] >= taken, "it had been back when it was missed again: {since:?}");
}

/// b is lost and comes back while `leader` leads; `later` beats after that the node itself leads.
fn returned_under(leader: Option<&str>, then: Option<&str>, later: u64) -> Option<Cause> {
    let (mut bench, mut beat) = watching();
    heard(&mut bench, &mut beat, &[0, 1], 30);
    heard(&mut bench, &mut beat, &[], 60);
    bench.tell(Event::Leader { term: 3, leader: leader.map(name) });
    heard(&mut bench, &mut beat, &[0, 1], 2);
    assert_eq!(return_of(&bench, "b"), None, "nobody leads who could be told");
    bench.tell(Event::Leader { term: 4, leader: then.map(name) });
    heard(&mut bench, &mut beat, &[0, 1], later);
    bench.tell(Event::Leader { term: 5, leader: Some(name("a")) });
    heard(&mut bench, &mut beat, &[0, 1], 2);
    return_of(&bench, "b")
}

#[test]
fn cl_42_a_return_that_no_leader_has_heard_is_told_by_the_next_one_and_by_nobody_else() {
    let told = Some(Cause::WasCutOff { node: name("b") });
    let soon = 20;
    assert_eq!(returned_under(None, None, soon), told);
    assert_eq!(returned_under(Some("b"), None, soon), told, "nobody tells of his own return");
    assert_eq!(returned_under(Some("c"), None, soon), None, "c has heard it");
    assert_eq!(returned_under(None, Some("c"), soon), None, "c tells of it");
    assert_eq!(returned_under(None, None, 220), None, "that is another story by now");
}

#[test]
fn a_pause_that_was_told_of_before_or_is_too_short_is_not_why_a_node_was_silent() {
    let (mut bench, mut beat) = watching();
    heard(&mut bench, &mut beat, &[0, 1], 30);
    heard(&mut bench, &mut beat, &[], 60);
    let pause = Span::secs(3);
    beat.health.stood_still = pause;
    heard(&mut bench, &mut beat, &[0, 1], 30);
    assert_eq!(return_of(&bench, "b"), Some(Cause::Frozen { node: name("b"), pause }));
    // It tells of that for a while, and now it is cut off.
    bench.taken.clear();
    heard(&mut bench, &mut beat, &[], 60);
    heard(&mut bench, &mut beat, &[0, 1], 30);
    assert_eq!(return_of(&bench, "b"), Some(Cause::WasCutOff { node: name("b") }));
    // Cut off once more, and meanwhile it stood still for a moment.
    bench.taken.clear();
    heard(&mut bench, &mut beat, &[], 60);
    beat.health.stood_still = Span::millis(200);
    heard(&mut bench, &mut beat, &[0, 1], 30);
    assert_eq!(return_of(&bench, "b"), Some(Cause::WasCutOff { node: name("b") }));
}

#[test]
fn who_stood_still_or_heard_nobody_does_not_say_that_the_others_were_cut_off() {
    // Frozen for three seconds, and then for a while without its links.
    let (mut bench, mut beat) = watching();
    heard(&mut bench, &mut beat, &[0, 1], 30);
    bench.now += Span::secs(3);
    bench.pass(Span::secs(1));
    heard(&mut bench, &mut beat, &[0, 1], 2);
    assert_eq!((return_of(&bench, "b"), return_of(&bench, "c")), (None, None));
    // Without the links alone.
    let (mut bench, mut beat) = watching();
    heard(&mut bench, &mut beat, &[0, 1], 30);
    bench.voters.clear();
    bench.pass(Span::secs(3));
    heard(&mut bench, &mut beat, &[0, 1], 2);
    assert_eq!((return_of(&bench, "b"), return_of(&bench, "c")), (None, None));
    // What the other says of itself is told all the same.
    let (mut bench, mut beat) = watching();
    heard(&mut bench, &mut beat, &[0, 1], 30);
    bench.now += Span::secs(3);
    bench.pass(Span::secs(1));
    beat.health.machine = BootId(78);
    heard(&mut bench, &mut beat, &[0, 1], 2);
    assert_eq!(return_of(&bench, "b"), Some(Cause::PowerLost { node: name("b") }));
}

#[test]
fn who_was_cut_off_itself_a_while_ago_says_all_the_same_that_another_is_now() {
    let (mut bench, mut beat) = watching();
    heard(&mut bench, &mut beat, &[0, 1], 30);
    bench.voters.clear();
    bench.pass(Span::secs(3));
    bench.voters = vec![name("b"), name("c")];
    heard(&mut bench, &mut beat, &[0, 1], 60);
    assert_eq!(return_of(&bench, "b"), None, "that was its own");
    // Now c is heard all the while, and b is not.
    heard(&mut bench, &mut beat, &[], 40);
    heard(&mut bench, &mut beat, &[0, 1], 2);
    assert_eq!(return_of(&bench, "b"), Some(Cause::WasCutOff { node: name("b") }));
}

#[test]
fn a_node_without_answers_says_how_long_it_heard_nobody() {
    let mut bench = Bench::new(record());
    let mut beat = beat_of("b", 1, &bench.record);
    heard(&mut bench, &mut beat, &[0, 1], 30);
    let said = |bench: &Bench| bench.beats.last().unwrap().health.deaf_lately;
    assert_eq!(said(&bench), None, "with a majority there is nothing to say");
    bench.voters.clear();
    heard(&mut bench, &mut beat, &[0, 1], 40);
    assert!(said(&bench).unwrap() <= Span::millis(60), "its own way is cut, not theirs");
    // What the last beat says is up to a beat old.
    bench.pass(Span::secs(2) + bench.node.timing().beat);
    assert!(said(&bench).unwrap() >= Span::secs(2), "now it hears nobody either");
    bench.voters = vec![name("b"), name("c")];
    heard(&mut bench, &mut beat, &[0, 1], 10);
    assert!(said(&bench).unwrap() >= Span::secs(2), "those who had not heard it still ask");
    heard(&mut bench, &mut beat, &[0, 1], 60);
    bench.voters.clear();
    heard(&mut bench, &mut beat, &[0, 1], 40);
    assert!(said(&bench).unwrap() <= Span::millis(60), "this time it heard the others");
    bench.voters = vec![name("b"), name("c")];
    heard(&mut bench, &mut beat, &[0, 1], 700);
    assert_eq!(said(&bench), None, "long ago");
}

#[test]
fn a_silent_owner_is_given_up_while_its_promises_still_run() {
    let (mut bench, mut beat) = watching();
    heard(&mut bench, &mut beat, &[0, 1], 30);
    // The last word of b was told 50 ms ago.
    let last = bench.now.saturating_sub(Span::millis(50));
    while bench.group().epoch == epoch(1) {
        heard(&mut bench, &mut beat, &[], 1);
    }
    let timing = bench.node.timing();
    assert!(bench.now.since(last) < timing.ttl, "its deadline has passed, its promises have not");
    assert!(bench.now.since(last) > timing.usable());
}

#[test]
fn who_stood_still_twice_says_for_how_long_it_did_the_second_time() {
    let mut bench = Bench::running(record());
    let said = |bench: &Bench| bench.beats.last().unwrap().health.stood_still;
    bench.now += Span::secs(3);
    bench.pass(Span::secs(28));
    assert!(said(&bench) >= Span::secs(3));
    // The first time is forgotten in the very moment in which it wakes from the second.
    bench.now += Span::secs(2);
    bench.pass(Span::millis(200));
    assert!((Span::secs(2)..Span::millis(2_500)).contains(&said(&bench)), "{}", said(&bench));
    // What follows at once is still the same waking.
    bench.now += Span::millis(400);
    bench.pass(Span::millis(200));
    assert!(said(&bench) >= Span::secs(2), "{}", said(&bench));
    bench.pass(Span::secs(31));
    assert_eq!(said(&bench), Span::ZERO, "long ago");
}

#[test]
fn a_node_that_stood_still_does_not_take_the_others_for_silent() {
    let (mut bench, mut beat) = watching();
    heard(&mut bench, &mut beat, &[0, 1], 30);
    bench.now += Span::secs(2);
    let witness = beat_of("c", beat.sequence + 1, &bench.record);
    bench.tell(Event::Heard { via: via(0), beat: witness.into() });
    assert_eq!(bench.group().epoch, epoch(1), "the beats of b wait to be taken");
}

/// The answer of b to the newest beat of a node that waits for its lease.
fn answer_while_waiting(bench: &mut Bench) -> Ack {
    bench.voters.clear();
    bench.give(|_| ());
    assert_eq!(bench.desk(), &State::Waiting { epoch: epoch(1) });
    promise(bench.beats.last().unwrap(), name("b"), &bench.record)
}

#[test]
fn who_is_refused_for_a_running_promise_asks_again_as_it_ends() {
    let mut bench = Bench::new(record());
    let mut ack = answer_while_waiting(&mut bench);
    let (to, rest) = (name("c"), Span::millis(7));
    ack.refused.push((pay(), NoPromise::Promised { to, rest }));
    let asked = bench.beats.len();
    bench.tell(Event::Acked(ack));
    bench.pass(Span::millis(5));
    assert_eq!(bench.beats.len(), asked, "it runs still");
    bench.pass(Span::millis(5));
    assert_eq!(bench.beats.len(), asked + 1);
}

#[test]
fn a_voter_whose_ledger_is_a_little_behind_is_asked_again_soon_but_not_for_ever() {
    let mut bench = Bench::new(record());
    let mut ack = answer_while_waiting(&mut bench);
    ack.applied = Index(1);
    let asked = bench.beats.len();
    for _ in 0..40 {
        ack.sequence = bench.beats.last().unwrap().sequence;
        bench.tell(Event::Acked(ack.clone()));
        bench.pass(Span::millis(5));
    }
    let early = bench.beats.len() - asked;
    assert!((8..=20).contains(&early), "{early} beats in 200 ms");
}
