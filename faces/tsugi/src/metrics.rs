//! `tsugi metrics`: how everything stands in the form that Prometheus reads, once or as a page;
//! and a page a group that load balancers ask.
//!
//! A process of its own that asks the agent like any command: what reads HTTP from strangers is
//! no part of a node's daemons, and a node runs on without it.

mod lines;
mod pages;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tsugi_messages as messages;
use tsugi_wire::control::gauges::Gauges;
use tsugi_wire::control::report::Status;
use tsugi_wire::control::{Answer, Reply, Request};

use crate::ask::{Agents, Silence};
use crate::exit::Exit;
use crate::out::Out;
use crate::pages::NotServed;
use lines::Kept;

/// How many takeovers are asked about for one page at most: after the loss of a node with many
/// groups the others wait for the next page.
const QUESTIONS: usize = 8;

/// What is asked of the agent, and counted between two questions.
pub struct Exporter {
    agents: Agents,
    kept: Mutex<Kept>,
}

/// The state, and whose agent said so.
struct Seen {
    node: String,
    status: Status,
}

impl Exporter {
    fn new(agents: &Agents) -> Self {
        Self { agents: agents.clone(), kept: Mutex::default() }
    }

    /// Asks the agent; none if it does not answer with a state.
    fn look(&self) -> Result<Option<Seen>, Silence> {
        let Answer { observed_by: node, reply, .. } = self.agents.ask(&Request::Status)?;
        let Reply::Status(status) = reply else { return Ok(None) };
        Ok(Some(Seen { node, status }))
    }

    /// Times and counts; none of an agent of an earlier version.
    fn gauges(&self) -> Option<Gauges> {
        match self.agents.ask(&Request::Gauges).map(|answer| answer.reply) {
            Ok(Reply::Gauges(gauges)) => Some(gauges),
            Ok(_) | Err(_) => None,
        }
    }

    /// The page of all metrics. An agent that does not answer is one of them: `tsugi_up 0`.
    fn page(&self) -> String {
        let seen = self.look().ok().flatten();
        let gauges = seen.as_ref().and_then(|_| self.gauges());
        let status = seen.as_ref().map(|seen| &seen.status);
        let open = status.map(|status| self.kept().see(status)).unwrap_or_default();
        // Not under the lock: another page does not wait for these answers.
        for (group, epoch) in open.into_iter().take(QUESTIONS) {
            let of = Request::Explain { group: Some(group.clone()), back: 0 };
            let Ok(Reply::Explain(explain)) = self.agents.ask(&of).map(|answer| answer.reply)
            else {
                break;
            };
            self.kept().took(group, epoch, explain.story.as_ref());
        }
        lines::page((seen.as_ref(), gauges.as_ref()), &self.kept())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nobody panics while counting")
    }
}

/// Prints the figures, or serves them at an address.
pub fn metrics(agents: &Agents, out: &Out, listen: Option<SocketAddr>) -> Exit {
    listen.map_or_else(|| print(agents, out), |at| serve(agents, out, at))
}

/// Prints the metrics once.
fn print(agents: &Agents, out: &Out) -> Exit {
    let exporter = Exporter::new(agents);
    if let Err(silence) = exporter.look() {
        return silence.tell(out, ("tsugi metrics", &Request::Status));
    }
    out.lines(exporter.page().lines().map(str::to_owned));
    Exit::Done
}

/// Answers at `at` until it is told to end.
fn serve(agents: &Agents, out: &Out, at: SocketAddr) -> Exit {
    let exporter = Exporter::new(agents);
    let page = Arc::new(move |path: &str| pages::at(&exporter, path));
    match crate::pages::serve(page, &[at], |at| out.tell(&messages::metrics_served(at))) {
        Ok(()) => Exit::Done,
        Err(NotServed { at, why }) => {
            out.tell(&messages::metrics_not_served(at, why));
            Exit::Failed
        }
    }
}
