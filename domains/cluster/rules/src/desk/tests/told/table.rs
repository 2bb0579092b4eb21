//! Every state with every input, compared with `table.txt`; `TSUGI_WRITE_TABLE=1` writes it anew.

use std::fmt::Write as _;

use super::*;

const TOLD: &str = include_str!("table.txt");
/// The act that each state of the table waits for.
const ACT: u64 = 50;

/// One line of the table.
struct Line {
    before: State,
    input: Input,
    after: State,
    wishes: Vec<Wish>,
}

fn states() -> Vec<State> {
    let (epoch, act) = (EPOCHS[1], ACT);
    let starting = |acts: &[(u64, usize)], up: &[usize]| State::Starting {
        epoch,
        since: Moment(0),
        acts: acts.iter().copied().collect(),
        up: up.iter().copied().collect(),
        steps: BTreeMap::new(),
    };
    let stopping = |why, acts: &[u64], left: &[usize]| {
        let (acts, left) = (acts.iter().copied().collect(), left.iter().copied().collect());
        State::Stopping { epoch, why, acts, left }
    };
    let letting_go = |why, act, beside| State::LettingGo { epoch, why, act, beside };
    let beside = || Beside::Acts([ACT - 1].into());
    vec![
        State::Clear,
        State::Adopting { epoch, act },
        State::Waiting { epoch },
        State::Arming { epoch },
        starting(&[(ACT, 0)], &[]),
        starting(&[(ACT, 1), (ACT - 1, 2)], &[0]),
        starting(&[(ACT, 1)], &[0, 2]),
        starting(&[(ACT, 3)], &[0, 1, 2]),
        State::Running { epoch },
        stopping(Why::Ordered, &[ACT], &[0, 1, 2]),
        stopping(Why::Ordered, &[ACT, ACT - 1], &[0, 1, 2]),
        stopping(Why::HandOver(node("b")), &[ACT], &[]),
        stopping(Why::Failure(died()), &[ACT], &[0]),
        stopping(Why::Mend(1), &[ACT], &[1]),
        stopping(Why::Mend(1), &[ACT], &[]),
        State::Mending { epoch, place: 0, by: Mended::Anew },
        State::Mending { epoch, place: 1, by: Mended::Anew },
        State::Mending { epoch, place: 1, by: Mended::ByMethod },
        letting_go(Why::Lapsed, Some(ACT), Beside::Nothing),
        letting_go(Why::HandOver(node("b")), Some(ACT), Beside::Nothing),
        letting_go(Why::Superseded, Some(ACT), beside()),
        letting_go(Why::Superseded, None, beside()),
        letting_go(Why::Superseded, Some(ACT), Beside::Acts([].into())),
        State::Released { epoch, why: Why::Ordered },
        State::Released { epoch, why: Why::Failure(died()) },
        State::Stuck { epoch, left: "pid 12".to_owned() },
    ]
}

fn inputs() -> Vec<Input> {
    let all = || ["disk", "vip", "cache", "server"].map(name).to_vec();
    let link = || ("eth0".to_owned(), LinkState::Down);
    let whys = [
        Why::Ordered,
        Why::HandOver(node("b")),
        Why::Failure(died()),
        Why::Mend(1),
        Why::Lapsed,
        Why::Superseded,
    ];
    let outcomes = [
        fine(),
        Outcome::Forced { took: Span::millis(5) },
        failed(),
        Outcome::Stuck { left: "pid 12".into() },
        Outcome::Adopted(all()),
        Outcome::Adopted(vec![name("disk")]),
        Outcome::NoLink { link: link().0, state: link().1 },
    ];
    let mut inputs = Vec::new();
    for epoch in EPOCHS {
        inputs.push(Input::Ours(epoch));
        inputs.push(Input::OursFromBefore(epoch));
        inputs.push(Input::Leased(epoch));
        inputs.push(Input::Armed(epoch));
        inputs.push(Input::GuardianReleased(epoch));
        inputs.push(Input::Over(epoch));
    }
    inputs.push(Input::Lapsed);
    inputs.push(Input::Recorded);
    inputs.extend(whys.map(Input::Stop));
    inputs.extend(outcomes.map(|outcome| Input::Done(ACT, outcome)));
    inputs.push(Input::Done(ACT - 1, fine()));
    for who in ["disk", "server", "nobody"] {
        inputs.push(Input::Died(name(who), died(), Mend::InPlace));
        inputs.push(Input::Died(name(who), died(), Mend::GiveAway));
        inputs.push(Input::Died(name(who), died(), Mend::Leave));
        inputs.push(Input::Died(name(who), died(), Mend::LetGo));
    }
    inputs
}

fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for before in states() {
        for input in inputs() {
            let mut desk = Desk { state: before.clone(), ..Desk::default() };
            let wishes = step(&mut desk, input.clone());
            lines.push(Line { before: before.clone(), input, after: desk.state, wishes });
        }
    }
    lines
}

fn why_word(why: &Why) -> String {
    match why {
        Why::Ordered => "ordered".to_owned(),
        Why::HandOver(to) => format!("hand over to {to}"),
        Why::Failure(_) => "failure".to_owned(),
        Why::Mend(place) => format!("mend {place}"),
        Why::Lapsed => "lapsed".to_owned(),
        Why::Superseded => "superseded".to_owned(),
    }
}

fn state_word(state: &State) -> String {
    match state {
        State::Clear => "clear".to_owned(),
        State::Adopting { epoch, .. } => format!("adopting {epoch}"),
        State::Waiting { epoch } => format!("waiting {epoch}"),
        State::Arming { epoch } => format!("arming {epoch}"),
        State::Starting { epoch, acts, up, .. } => {
            format!("starting {} beside {} {epoch}", places(acts.values()), places(up))
        }
        State::Running { epoch } => format!("running {epoch}"),
        State::Stopping { epoch, why, acts, left } => {
            let (acts, left) = (acts.len(), places(left));
            format!("stopping, waits for {acts}, then {left} {epoch} ({})", why_word(why))
        }
        State::Mending { epoch, place, by: Mended::Anew } => format!("mending {place} {epoch}"),
        State::Mending { epoch, place, by: Mended::ByMethod } => {
            format!("restarting {place} by its method {epoch}")
        }
        State::LettingGo { epoch, why, act, beside } => {
            let once_more = match (act, beside) {
                (_, Beside::Nothing) => String::new(),
                (Some(_), Beside::Acts(acts)) => format!(", and again after {}", acts.len()),
                (None, Beside::Acts(acts)) => format!(", again after {}", acts.len()),
            };
            format!("letting go{once_more} {epoch} ({})", why_word(why))
        }
        State::Released { epoch, why } => format!("released {epoch} ({})", why_word(why)),
        State::Stuck { epoch, .. } => format!("stuck {epoch}"),
    }
}

fn places<'a>(all: impl IntoIterator<Item = &'a usize>) -> String {
    let all: Vec<String> = all.into_iter().map(ToString::to_string).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join("+") }
}

fn outcome_word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Fine { .. } => "fine".to_owned(),
        Outcome::Forced { .. } => "forced".to_owned(),
        Outcome::Failed { .. } => "failed".to_owned(),
        Outcome::Stuck { .. } => "stuck".to_owned(),
        Outcome::Adopted(found) => format!("adopted {}", found.len()),
        Outcome::NoLink { .. } => "no link".to_owned(),
    }
}

fn input_word(input: &Input) -> String {
    match input {
        Input::Ours(epoch) => format!("ours {epoch}"),
        Input::OursFromBefore(epoch) => format!("ours from before {epoch}"),
        Input::Leased(epoch) => format!("leased {epoch}"),
        Input::Armed(epoch) => format!("armed {epoch}"),
        Input::Lapsed => "lapsed".to_owned(),
        Input::Stop(why) => format!("stop: {}", why_word(why)),
        Input::Done(ACT, outcome) => format!("done: {}", outcome_word(outcome)),
        Input::Done(_, outcome) => format!("another act done: {}", outcome_word(outcome)),
        Input::Died(who, _, Mend::InPlace) => format!("died: {who}, restart"),
        Input::Died(who, _, Mend::GiveAway) => format!("died: {who}, give away"),
        Input::Died(who, _, Mend::Leave) => format!("died: {who}, leave"),
        Input::Died(who, _, Mend::LetGo) => format!("died: {who}, let go"),
        Input::Recorded => "recorded".to_owned(),
        Input::GuardianReleased(epoch) => format!("guardian released {epoch}"),
        Input::Over(epoch) => format!("over {epoch}"),
    }
}

pub(super) fn wish_word(wish: &Wish) -> String {
    match wish {
        Wish::Do(_, _, Act::Start { resource, .. }) => format!("start {resource}"),
        Wish::Do(_, _, Act::Stop { resource, .. }) => format!("stop {resource}"),
        Wish::Do(_, _, Act::LetGo) => "let go".to_owned(),
        Wish::Do(_, _, Act::Recover { .. }) => "tell of a return".to_owned(),
        Wish::Do(_, _, Act::Ask { id, .. }) => format!("ask {id}"),
        Wish::Do(_, _, Act::Notify { notice, .. }) => format!("notify of {}", notice.id),
        Wish::Do(_, _, Act::Restart { resource, .. }) => format!("restart {resource}"),
        Wish::Tell(_, id, _) => format!("tell of {id}"),
        Wish::Do(_, _, Act::MoveAddress { resource, link }) => format!("move {resource} to {link}"),
        Wish::Do(_, _, Act::Load { slot, .. }) => format!("load {slot}"),
        Wish::Do(_, _, Act::End { slot, .. }) => format!("end {slot}"),
        Wish::Do(_, _, Act::Adopt) => "look what runs".to_owned(),
        Wish::Started(..) => "say it is up".to_owned(),
        Wish::Released(..) => "say it is released".to_owned(),
        Wish::Record(..) => "record the failure".to_owned(),
        Wish::Stuck(..) => "say it is stuck".to_owned(),
    }
}

fn told(lines: &[Line]) -> String {
    let mut text = String::new();
    let mut rest: Vec<String> = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let last = lines.get(n + 1).is_none_or(|next| next.before != line.before);
        if n == 0 || lines[n - 1].before != line.before {
            writeln!(text, "{}", state_word(&line.before)).unwrap();
        }
        if line.after == line.before && line.wishes.is_empty() {
            rest.push(input_word(&line.input));
        } else {
            let wishes: Vec<String> = line.wishes.iter().map(wish_word).collect();
            let wishes = if wishes.is_empty() { String::new() } else { wishes.join(", ") };
            let (input, after) = (input_word(&line.input), state_word(&line.after));
            let row = format!("  {input:<28} -> {after:<40} {wishes}");
            writeln!(text, "{}", row.trim_end()).unwrap();
        }
        if last {
            writeln!(text, "  nothing at all:").unwrap();
            rest.drain(..).for_each(|word| {
                writeln!(text, "    {word}").unwrap();
            });
            text.push('\n');
        }
    }
    text.trim_end().to_owned() + "\n"
}

#[test]
fn every_state_answers_every_input_as_the_table_says() {
    let now = told(&lines());
    if std::env::var_os("TSUGI_WRITE_TABLE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/desk/tests/told/table.txt");
        std::fs::write(path, &now).unwrap();
        return;
    }
    for (n, (now, told)) in now.lines().zip(TOLD.lines()).enumerate() {
        assert_eq!(now, told, "line {} of the table", n + 1);
    }
    assert_eq!(now, TOLD, "the table has more or fewer lines");
}

#[test]
fn nothing_is_started_but_by_arming_this_very_epoch_a_step_before_or_a_mend() {
    for line in lines() {
        let starts = |w: &&Wish| matches!(w, Wish::Do(_, _, Act::Start { .. }));
        for wish in line.wishes.iter().filter(starts) {
            let Wish::Do(under, _, _) = wish else { unreachable!("filtered") };
            let right = match (&line.before, &line.input) {
                (State::Arming { epoch }, Input::Armed(armed)) => epoch == armed,
                (
                    State::Starting { .. },
                    Input::Done(_, Outcome::Fine { .. } | Outcome::Forced { .. }),
                ) => true,
                (State::Mending { .. }, Input::Recorded) => true,
                _ => false,
            };
            let at = (state_word(&line.before), input_word(&line.input));
            assert!(right && *under == EPOCHS[1], "{at:?} starts something");
        }
    }
}

#[test]
fn what_is_released_is_released_for_its_epoch_for_good() {
    let released = |l: &&Line| matches!(l.before, State::Released { .. });
    for line in lines().iter().filter(released) {
        let at = (state_word(&line.before), input_word(&line.input));
        assert!(line.wishes.is_empty(), "{at:?} wants something");
        let right = match (&line.after, &line.input) {
            (State::Clear, Input::Over(over)) => *over >= EPOCHS[1],
            (State::Waiting { epoch }, Input::Ours(ours)) => epoch == ours && *epoch > EPOCHS[1],
            (after, _) => *after == line.before,
        };
        assert!(right, "{at:?} leaves its epoch");
    }
}

#[test]
fn only_nothing_begun_or_a_verified_end_is_called_released() {
    let said = |l: &&Line| l.wishes.iter().any(|w| matches!(w, Wish::Released(..)));
    for line in lines().iter().filter(said) {
        let right = match (&line.before, &line.input) {
            (State::Waiting { .. } | State::Arming { .. }, Input::Stop(_)) => true,
            (State::Waiting { .. }, Input::Lapsed) => true,
            (State::Mending { place: 0, by: Mended::Anew, .. }, Input::Stop(_)) => true,
            (_, Input::GuardianReleased(epoch)) => *epoch == EPOCHS[1],
            (
                State::Stopping { left, acts, .. },
                Input::Done(
                    ACT,
                    Outcome::Fine { .. } | Outcome::Forced { .. } | Outcome::Adopted(_),
                ),
            ) => left.is_empty() && acts.len() == 1,
            (
                State::LettingGo { act: Some(ACT), beside: Beside::Nothing, .. },
                Input::Done(
                    ACT,
                    Outcome::Fine { .. } | Outcome::Forced { .. } | Outcome::Adopted(_),
                ),
            ) => true,
            _ => false,
        };
        let at = (state_word(&line.before), input_word(&line.input));
        assert!(right, "{at:?} is called released");
    }
}

#[test]
fn a_lapse_lets_go_of_everything_at_once_wherever_something_may_run() {
    let lapsed = |l: &&Line| matches!(l.input, Input::Lapsed);
    for line in lines().iter().filter(lapsed) {
        let something = match line.before {
            State::Adopting { .. }
            | State::Arming { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Mending { .. } => true,
            State::Clear
            | State::Waiting { .. }
            | State::LettingGo { .. }
            | State::Released { .. }
            | State::Stuck { .. } => false,
        };
        let lets_go = matches!(line.after, State::LettingGo { .. }) && line.after != line.before;
        assert_eq!(lets_go, something, "{}", state_word(&line.before));
    }
}

#[test]
fn an_input_about_another_epoch_starts_and_stops_nothing() {
    for line in lines() {
        let other = match &line.input {
            Input::Leased(e) | Input::Armed(e) | Input::GuardianReleased(e) => *e != EPOCHS[1],
            _ => false,
        };
        if other {
            assert_eq!(line.after, line.before, "{}", input_word(&line.input));
            assert_eq!(line.wishes, [], "{}", input_word(&line.input));
        }
    }
}
