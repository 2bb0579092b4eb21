//! `doctor`: what should be mended before anything fails.

use tsugi_wire::control::report::Doctor;
use tsugi_wire::control::{Reply, Request};

use super::read::{Shown, kept_since, no, observed, strange};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Observed, Out, Schema};
use crate::render::{self, Source};

const COMMAND: &str = "tsugi doctor";

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
    match agents.last_doctor().filter(|_| silence.is_down()) {
        Some(kept) => {
            let observed = observed(&kept);
            let Reply::Doctor(doctor) = kept.reply else { return strange(out, COMMAND) };
            show(out, &doctor, &observed, kept_since(&observed));
            Exit::NoMajority
        }
        None => silence.tell(out, (COMMAND, &Request::Doctor)),
    }
}

fn show(out: &Out, doctor: &Doctor, observed: &Observed, source: Source) {
    let schema = Schema::first("tsugi.doctor");
    let shown = Shown::new(source, doctor);
    out.show(schema, observed, &shown, || render::doctor(out, doctor, observed, source));
}
