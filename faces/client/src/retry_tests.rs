//! The whole table: every status with every mark, before and after a try that may have been taken.

use super::*;

const MARKS: [Marks; 5] = [
    Marks::Plain,
    Marks::Final,
    Marks::Refusal(Wants::SameId),
    Marks::Refusal(Wants::Elsewhere),
    Marks::Refusal(Wants::Never),
];
const SO_FAR: [SoFar; 2] = [SoFar::NotDone, SoFar::MayBeDone];

/// Everything that can be met.
fn everything() -> Vec<Met> {
    let answers = (100..=999).flat_map(|status| MARKS.map(|marks| Met::Answer { status, marks }));
    let bare = [
        Met::NoConnection,
        Met::Stale,
        Met::CutOff,
        Met::Silence,
        Met::NotUnderstood,
        Met::TooLong,
    ];
    bare.into_iter().chain(answers).collect()
}

fn answer(status: u16, marks: Marks) -> Met {
    Met::Answer { status, marks }
}

#[test]
fn what_may_have_been_done_is_never_taken_back() {
    for met in everything() {
        let (next, so_far) = next(met, SoFar::MayBeDone);
        assert_eq!(so_far, SoFar::MayBeDone, "{met:?}");
        assert_ne!(next, Next::Refused, "{met:?}: nothing was carried out is not known");
    }
}

#[test]
fn nothing_was_done_is_kept_only_where_nothing_was_taken_in() {
    for met in everything() {
        let kept = next(met, SoFar::NotDone).1 == SoFar::NotDone;
        let may = match met {
            Met::NoConnection => true,
            Met::Answer { status: 202 | 409 | 410, marks: Marks::Refusal(_) } => false,
            Met::Answer { marks: Marks::Refusal(_), .. } => true,
            Met::Answer { status, marks: Marks::Plain } => (400..500).contains(&status),
            _ => false,
        };
        assert_eq!(kept, may, "{met:?}");
    }
}

#[test]
fn only_two_answers_are_the_end_of_a_call() {
    for met in everything() {
        for so_far in SO_FAR {
            let (found, _) = next(met, so_far);
            let replied =
                matches!(met, Met::Answer { status: 200, marks: Marks::Plain | Marks::Final });
            assert_eq!(found == Next::Replied, replied, "{met:?}");
            assert_eq!(found == Next::Ended, met == answer(500, Marks::Final), "{met:?}");
        }
    }
}

#[test]
fn what_breaks_the_way_is_asked_again_at_the_next_address() {
    for met in [Met::NoConnection, Met::CutOff, Met::Silence, Met::NotUnderstood] {
        for so_far in SO_FAR {
            assert_eq!(next(met, so_far).0, Next::Again(Place::Next), "{met:?}");
        }
    }
    assert_eq!(next(Met::Stale, SoFar::NotDone), (Next::Again(Place::Anew), SoFar::MayBeDone));
    for status in [500, 502, 503, 504, 599, 301, 100, 204, 600] {
        let met = answer(status, Marks::Plain);
        assert_eq!(next(met, SoFar::NotDone), (Next::Again(Place::Next), SoFar::MayBeDone));
    }
}

#[test]
fn a_refusal_is_followed_as_it_says() {
    for status in (100..=999).filter(|s| ![202, 410].contains(s)) {
        for so_far in SO_FAR {
            let found = |wants| next(answer(status, Marks::Refusal(wants)), so_far).0;
            assert_eq!(found(Wants::SameId), Next::Again(Place::Same), "{status}");
            assert_eq!(found(Wants::Elsewhere), Next::Again(Place::Next), "{status}");
            let never = match (so_far, status) {
                (SoFar::NotDone, 409) => Next::NotKnown(Left::AskLater),
                (SoFar::NotDone, _) => Next::Refused,
                (SoFar::MayBeDone, _) => Next::NotKnown(Left::AskLater),
            };
            assert_eq!(found(Wants::Never), never, "{status}");
        }
    }
}

#[test]
fn pending_and_gone_are_what_they_say_whatever_stands_beside() {
    for so_far in SO_FAR {
        for marks in MARKS {
            assert_eq!(next(answer(202, marks), so_far).0, Next::Again(Place::Same), "{marks:?}");
        }
        for wants in [Wants::SameId, Wants::Elsewhere, Wants::Never] {
            let met = answer(410, Marks::Refusal(wants));
            assert_eq!(next(met, so_far).0, Next::NotKnown(Left::Nothing), "{wants:?}");
        }
        assert_eq!(next(Met::TooLong, so_far).0, Next::NotKnown(Left::AskLater));
    }
}

#[test]
fn what_stands_before_the_service_refuses_for_itself() {
    for status in 400..=499 {
        let found = next(answer(status, Marks::Plain), SoFar::NotDone).0;
        let again = [408, 425, 429].contains(&status);
        let wanted = if again { Next::Again(Place::Same) } else { Next::Refused };
        assert_eq!(found, wanted, "{status}");
    }
}
