//! Why nobody answers the calls of a service, in words of people.

use tsugi_messages::{Language, Phrase, phrase};
use tsugi_service_rules::refusal::Cause;
use tsugi_service_rules::worker::life::{Exit, Why};

/// In a language: what is known of it, and what the last of its workers has said last.
pub(crate) fn words(cause: &Cause, language: Language) -> String {
    match cause {
        Cause::Found(found) => found.clone(),
        Cause::GivenUp { why, exit, said } => {
            let (why, exit) = (of(*why).text(language), ended(*exit).text(language));
            let phrase = match said.trim() {
                "" => phrase::worker_said_nothing(why, exit),
                said => phrase::worker_said_last(why, exit, said),
            };
            phrase.text(language)
        }
    }
}

fn of(why: Why) -> Phrase {
    match why {
        Why::Mismatch(_) => phrase::worker_differs(),
        Why::SlowStart => phrase::worker_starts_slowly(),
        Why::CannotStart(_) => phrase::worker_cannot_start(),
        Why::EndedAtStart => phrase::worker_ended_at_start(),
        Why::BrokeProtocol => phrase::worker_broke_protocol(),
        Why::Closed => phrase::worker_closed(),
        Why::Flood => phrase::worker_floods(),
        Why::Memory => phrase::worker_took_memory(),
        Why::EndedIdle => phrase::worker_ended_idle(),
        Why::RetireLimit => phrase::worker_left_slowly(),
        Why::WithCall(_) | Why::Undone => phrase::worker_ended_with_call(),
        Why::NotWanted | Why::Left => phrase::worker_left(),
    }
}

fn ended(exit: Exit) -> Phrase {
    match exit {
        Exit::Code(code) => phrase::ended_with_code(code),
        Exit::Signal(signal) => phrase::ended_by_signal(signal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_has_said_last_is_told_in_both_languages() {
        let said = || "libpay.so: no such file".to_owned();
        let why = Why::CannotStart(tsugi_service_rules::worker::life::Class::RunTimeError);
        let cause = Cause::GivenUp { why, exit: Exit::Signal(9), said: said() };
        let (en, ja) = (words(&cause, Language::En), words(&cause, Language::Ja));
        assert_eq!(
            en,
            "its worker says that it cannot start, ended by signal 9, \
             its last words: libpay.so: no such file"
        );
        assert!(ja.contains(&said()) && ja.contains("シグナル9"), "{ja}");
        let silent =
            Cause::GivenUp { why: Why::EndedAtStart, exit: Exit::Code(7), said: String::new() };
        assert_eq!(
            words(&silent, Language::En),
            "its worker ended before it was ready, ended with code 7, without a word"
        );
    }
}
