//! `service status`: how the daemon of a group's calls stands.

use tsugi_messages::{Column, Phrase, Table, phrase};
use tsugi_serve::control::{Closed, Limits, OfService, Status, Unknown};

use super::running;
use crate::args::Running;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Observed, Out, Schema};
use crate::render;

/// Shows it. A service that cannot run is a part that failed; one that somebody blocks is not.
pub(super) fn status(agents: &Agents, out: &Out, at: &Running) -> Exit {
    let status = match running::find(agents, at).and_then(|path| running::status(&path)) {
        Ok(status) => status,
        Err(no) => return running::tell(out, &no),
    };
    let observed = Observed { by: status.node.clone(), ..Observed::here() };
    out.show(Schema::first("tsugi.services"), &observed, &status, || lines(out, &status));
    let failed = |of: &OfService| of.closed.as_ref().is_some_and(|closed| closed.by.is_none());
    if status.services.iter().any(failed) { Exit::PartFailed } else { Exit::Done }
}

fn lines(out: &Out, status: &Status) -> Vec<String> {
    let Status { group, node, epoch, listens, pending, .. } = status;
    let mut lines = vec![
        phrase::services_answer(group, node, epoch, listens).text(out.language),
        phrase::services_on(status.volume.display(), count(*pending)).text(out.language),
    ];
    if let Some(why) = &status.failover_may_lose {
        lines.push(phrase::services_failover_may_lose(why).text(out.language));
    }
    if status.log_lost > 0 {
        lines.push(phrase::services_log_lost(status.log_lost).text(out.language));
    }
    lines.push(String::new());
    if status.services.is_empty() {
        lines.push(phrase::services_none().text(out.language));
        return lines;
    }
    lines.extend(table(out, &status.services));
    let limits = |of: &OfService| {
        let Limits { workers, call_ms, memory_mib, queue, body } = of.limits;
        let (workers, queue) = (count(workers), count(queue));
        phrase::service_may_use(&of.name, workers, call_ms, memory_mib, queue, body)
    };
    lines.extend(status.services.iter().map(|of| limits(of).text(out.language)));
    let told = status.services.iter().filter(|of| of.order == "told");
    lines.extend(told.map(|of| phrase::service_keeps_order(&of.name).text(out.language)));
    for of in &status.services {
        let resolver = of.resolve.as_ref();
        let by = resolver.map(|by| phrase::service_resolved_by(&of.name, by));
        lines.extend(by.map(|phrase| phrase.text(out.language)));
        if of.unknown_calls > 0 {
            let many = phrase::service_unknown_calls(&of.name, count(of.unknown_calls));
            lines.push(many.text(out.language));
        }
        let asked = |one: &Unknown| match (one.again_ms, one.asked) {
            (Some(ms), _) if !one.said.is_empty() => {
                let (call, asked) = (&one.call, u64::from(one.asked));
                phrase::unknown_call_asked_again(call, asked, ms, &one.said)
            }
            (_, asked) => phrase::unknown_call_is_asked(&one.call, u64::from(asked)),
        };
        lines.extend(of.unknown.iter().map(|one| asked(one).text(out.language)));
    }
    lines.extend(status.services.iter().filter_map(|of| {
        let closed = of.closed.as_ref()?;
        Some(why(&of.name, closed).text(out.language))
    }));
    lines
}

fn table(out: &Out, services: &[OfService]) -> Vec<String> {
    let mut table = Table::new([Column::Left; 6]);
    let heading = [
        phrase::heading_service(),
        phrase::heading_state(),
        phrase::heading_pending(),
        phrase::heading_workers(),
        phrase::heading_effects(),
        phrase::heading_package(),
    ];
    table.row(heading.map(|word| word.text(out.language)));
    for of in services {
        let workers = of.workers;
        let (ready, busy) = (count(workers.ready), count(workers.busy));
        let others = count(workers.starting + workers.ending);
        table.row([
            of.name.clone(),
            state(of.closed.as_ref()).text(out.language),
            of.pending.to_string(),
            phrase::services_workers(ready, busy, others).text(out.language),
            effects(&of.effects).text(out.language),
            of.package.clone(),
        ]);
    }
    table.lines(render::columns())
}

fn count(many: usize) -> u64 {
    u64::try_from(many).unwrap_or(u64::MAX)
}

fn state(closed: Option<&Closed>) -> Phrase {
    match closed {
        None => phrase::service_is_open(),
        Some(Closed { by: Some(_), .. }) => phrase::service_is_blocked(),
        Some(Closed { by: None, .. }) => phrase::service_is_closed(),
    }
}

/// Where a service acts, by the word of its manifest.
pub(super) fn effects(word: &str) -> Phrase {
    match word {
        "outside" => phrase::effects_outside(),
        "reads" => phrase::effects_reads(),
        _ => phrase::effects_store(),
    }
}

fn why(service: &str, closed: &Closed) -> Phrase {
    match &closed.by {
        Some(by) => phrase::service_blocked_by(service, by, &closed.why),
        None => phrase::service_closed_for(service, &closed.word, &closed.why),
    }
}
