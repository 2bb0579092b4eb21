//! Operations of a program, carried out in their order, wherever that is.

use tsugi_frames::{Code, Limits};
use tsugi_store::{Op, Outcome, Trouble};

use crate::files::Asking;
use crate::worker::{self, Answered, Asked, Waits};

/// How many bytes of answers there may be before no further operation of one *ask* is carried
/// out; the one that passes it may be as large as a store lets it be.
const ANSWERS_MOST: usize = Limits::DEFAULT.answer as usize;

/// What came of operations.
pub(crate) enum Operated {
    /// All that are waited for are answered, in their order.
    Answers(Vec<Answered>),
    /// One that nobody waits for has failed, for this reason: that ends the call.
    Failed(String),
}

/// Where operations are carried out.
pub(super) trait CarriesOut {
    /// An operation on the store.
    fn store(&mut self, op: Op) -> Result<Outcome, Trouble>;

    /// An operation on a file: its answer, or why it ends the call.
    fn file(&mut self, asking: Asking) -> Result<Result<Answered, String>, Trouble>;
}

/// What came of operations so far.
#[derive(Default)]
pub(crate) struct SoFar {
    all: Vec<Answered>,
    size: usize,
}

impl SoFar {
    /// How many bytes the answers take, about.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Takes what came of an operation. Why the call ends by it, where it does.
    pub(super) fn take(&mut self, answer: Answered, waits: Waits) -> Option<String> {
        match waits {
            Waits::Yes => {
                self.size += held(&answer);
                self.all.push(answer);
                None
            }
            Waits::No => failure(&answer),
        }
    }

    /// All that are waited for, in their order.
    pub(super) fn into_answers(self) -> Vec<Answered> {
        self.all
    }

    /// All that came, or why the call ends by it.
    pub(super) fn end(self, failed: Option<String>) -> Operated {
        failed.map_or(Operated::Answers(self.all), Operated::Failed)
    }
}

/// Carries out operations in their order, behind what came so far; all that are waited for are
/// answered. Once the answers have become too large, what is waited for is refused instead of
/// being carried out. Why the call ends by it, where it does.
pub(super) fn operate_in(
    place: &mut (impl CarriesOut + ?Sized),
    all: Vec<Asked>,
    answers: &mut SoFar,
) -> Result<Option<String>, Trouble> {
    for asked in all {
        let (answer, waits) = match bounded(asked, answers.size) {
            Asked::Refused(code, waits) => (Answered::Code(code), waits),
            Asked::NotCalled(not, waits) => (Answered::NotCalled(not), waits),
            // Nobody is called from here: it is the core that has a service called.
            Asked::Call(_, waits) => (Answered::Code(Code::NotAllowed.number()), waits),
            Asked::Own(waits) => (Answered::Own, waits),
            Asked::Known(answer, waits) => (answer, waits),
            Asked::Cannot(why) => return Ok(Some(why)),
            Asked::Store(op, waits) => match place.store(op) {
                Ok(outcome) => (Answered::Done(outcome), waits),
                Err(Trouble::Refused(error)) => (Answered::Refused(error), waits),
                Err(trouble) => return Err(trouble),
            },
            Asked::File(asking, waits) => match place.file(asking)? {
                Ok(answer) => (answer, waits),
                Err(why) => return Ok(Some(why)),
            },
        };
        if let Some(why) = answers.take(answer, waits) {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

/// What is carried out where the answers before it take so many bytes: behind too many of them
/// nothing that is waited for.
pub(super) fn bounded(asked: Asked, size: usize) -> Asked {
    match asked {
        Asked::Store(_, Waits::Yes) | Asked::File(_, Waits::Yes) | Asked::Call(_, Waits::Yes)
            if size > ANSWERS_MOST =>
        {
            Asked::Refused(Code::TooLarge.number(), Waits::Yes)
        }
        asked => asked,
    }
}

/// How much memory an answer takes, in bytes, about.
pub(super) fn held(answer: &Answered) -> usize {
    match answer {
        Answered::Done(outcome) => outcome.rows.iter().map(|row| worker::held(row)).sum(),
        Answered::File(result) => result.records.iter().map(|one| one.record.len()).sum(),
        Answered::Reply(returned) => returned.records.iter().map(Vec::len).sum(),
        Answered::Refused(_) | Answered::NotCalled(_) | Answered::Code(_) | Answered::Own => 0,
    }
}

/// Why an answer that nobody waits for ends the call.
pub(super) fn failure(answer: &Answered) -> Option<String> {
    match answer {
        Answered::Done(_) | Answered::Reply(_) | Answered::Own => None,
        Answered::File(result) if result.status < 10 => None,
        Answered::File(result) => Some(format!("file status {:02}", result.status)),
        Answered::Refused(error) => Some(error.to_string()),
        Answered::NotCalled(not) => Some(not.text.clone()),
        Answered::Code(code) => Some(format!("code {code}")),
    }
}

#[cfg(test)]
mod tests {
    use tsugi_store::SqlError;

    use super::*;

    /// Answers each operation with so many bytes; none that says "bad".
    struct Answers(usize);

    impl CarriesOut for Answers {
        fn store(&mut self, op: Op) -> Result<Outcome, Trouble> {
            match op {
                Op::Sql { text, .. } if &*text == "bad" => {
                    Err(Trouble::Refused(SqlError { code: "1".into(), text: "no".into() }))
                }
                Op::Sql { .. } | Op::Read { .. } | Op::Define { .. } => {
                    let rows = vec![vec![tsugi_store::Value::Blob(vec![0; self.0])]];
                    Ok(Outcome { rows, ..Outcome::default() })
                }
            }
        }

        fn file(&mut self, _: Asking) -> Result<Result<Answered, String>, Trouble> {
            Ok(Ok(Answered::Code(Code::NotAllowed.number())))
        }
    }

    fn of(size: usize, all: &[(&str, Waits)]) -> Operated {
        let asked = all.iter().map(|(text, waits)| Asked::Store(Op::sql(*text, &[]), *waits));
        let all = asked.collect();
        let mut answers = SoFar::default();
        let failed = operate_in(&mut Answers(size), all, &mut answers);
        answers.end(failed.expect("nothing is in trouble"))
    }

    #[test]
    fn behind_answers_that_are_too_large_nothing_that_is_waited_for_is_carried_out() {
        let all = [("a", Waits::Yes), ("b", Waits::No), ("c", Waits::Yes)];
        let Operated::Answers(answers) = of(ANSWERS_MOST, &all) else { panic!("none failed") };
        assert!(matches!(answers[0], Answered::Done(_)));
        assert_eq!(answers[1..], [Answered::Code(Code::TooLarge.number())]);
        let Operated::Answers(answers) = of(1, &all) else { panic!("none failed") };
        assert!(matches!(answers[..], [Answered::Done(_), Answered::Done(_)]));
    }

    #[test]
    fn what_is_refused_is_an_answer_where_it_is_waited_for_and_ends_the_call_where_not() {
        let waited = of(1, &[("bad", Waits::Yes), ("a", Waits::Yes)]);
        let Operated::Answers(answers) = waited else { panic!("none failed") };
        assert!(matches!(answers[..], [Answered::Refused(_), Answered::Done(_)]));
        assert!(matches!(of(1, &[("bad", Waits::No)]), Operated::Failed(_)));
    }
}
