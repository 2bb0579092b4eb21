//! `doctor`: what should be mended before anything fails.

use std::time::Duration;

use tsugi_wire::control::report::Doctor;
use tsugi_wire::control::{Reply, Request};

use super::read::{no, observed, strange};
use crate::ask::{Agents, Silence};
use crate::exit::Exit;
use crate::out::{Observed, Out, Schema};
use crate::render::{self, Source};

const COMMAND: &str = "tsugi doctor";

/// What was found with where it is from, as JSON has it.
#[derive(serde::Serialize)]
struct Shown<'a> {
    source: &'a str,
    age_seconds: u64,
    #[serde(flatten)]
    doctor: &'a Doctor,
}

/// Asks the agent; without one, what it found last and how old that is.
pub fn doctor(agents: &Agents, out: &Out) -> Exit {
    let silence = match agents.ask(&Request::Doctor) {
        Ok(answer) => {
            let observed = observed(&answer);
            return match answer.reply {
                Reply::Doctor(doctor) => {
                    show(out, &doctor, &observed, Source::Agent);
                    if doctor.findings.is_empty() { Exit::Done } else { Exit::Difference }
                }
                Reply::No(refused) => no(out, &refused, &observed),
                _ => strange(out, COMMAND),
            };
        }
        Err(silence) => silence,
    };
    match agents.last_doctor().filter(|_| is_down(&silence)) {
        Some(kept) => {
            let observed = observed(&kept);
            let Reply::Doctor(doctor) = kept.reply else { return strange(out, COMMAND) };
            let now = Observed::here().at.0.0;
            let age = Duration::from_millis(now.saturating_sub(observed.at.0.0)).as_secs();
            show(out, &doctor, &observed, Source::LastRecord(age));
            Exit::NoMajority
        }
        None => silence.tell(out, (COMMAND, &Request::Doctor)),
    }
}

fn is_down(silence: &Silence) -> bool {
    !matches!(silence, Silence::NotPermitted | Silence::OtherVersion(_))
}

fn show(out: &Out, doctor: &Doctor, observed: &Observed, source: Source) {
    let (word, age) = match source {
        Source::Agent => ("agent", 0),
        Source::LastRecord(age) => ("last-record", age),
    };
    let shown = Shown { source: word, age_seconds: age, doctor };
    let schema = Schema::first("tsugi.doctor");
    out.show(schema, observed, &shown, || render::doctor(out, doctor, observed, source));
}
