//! `monitor`: asks once what a monitor of a group asks, with the exit code that it judges by; or
//! suspends one monitor of a group and takes it up again.

use std::time::Duration;

use tsugi_cluster_engine::config::duration;
use tsugi_cluster_engine::monitor::{self, Unwell};
use tsugi_cluster_rules::spec::Check;
use tsugi_host::link::Carrier;
use tsugi_messages::{self as messages, Phrase, phrase};
use tsugi_wire::control::Operation;

use super::change;
use crate::args::{Monitor, Patience};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::Out;

/// What nothing on the network is asked for answers at once, or hangs in the kernel.
const AT_ONCE: Duration = Duration::ZERO;

/// Asks, says how it was, and ends with 0 if all is well.
pub fn monitor(agents: &Agents, out: &Out, asked: &Monitor) -> Exit {
    let (check, of, within) = match asked {
        Monitor::Suspend { monitor, hold, changing } => {
            let hold = match change::time(out, "--for", hold.as_deref()) {
                Ok(hold) => hold,
                Err(exit) => return exit,
            };
            let Some((group, resource, monitor)) = parts(monitor) else { return odd(out, monitor) };
            let what = Operation::SuspendMonitor { group, resource, monitor, hold };
            return change::send(agents, out, what, &changing.clone().into());
        }
        Monitor::Resume { monitor, changing } => {
            let Some((group, resource, monitor)) = parts(monitor) else { return odd(out, monitor) };
            let what = Operation::ResumeMonitor { group, resource, monitor };
            return change::send(agents, out, what, &changing.clone().into());
        }
        Monitor::Tcp { at, patience } => (Check::Tcp(at.clone()), at.clone(), time(patience)),
        Monitor::Http { url, patience } => (Check::Http(url.clone()), url.clone(), time(patience)),
        Monitor::Ping { host, patience } => (Check::Ping(*host), host.to_string(), time(patience)),
        Monitor::Link { link } => (Check::Link(link.clone()), link.clone(), Ok(AT_ONCE)),
        Monitor::Disk { disk } => {
            let path = disk.display().to_string();
            (Check::Disk(path.clone()), path, Ok(AT_ONCE))
        }
    };
    let within = match within {
        Ok(within) => within,
        Err(given) => {
            let detail = phrase::usage_value(given, "--within").text(out.language);
            out.tell(&messages::usage_wrong(detail, "tsugi monitor --help"));
            return Exit::Usage;
        }
    };
    match monitor::ask(&check, within) {
        Ok(()) => {
            out.tell(&messages::monitor_well(of));
            Exit::Done
        }
        Err(unwell) => {
            let detail =
                words(&unwell).map_or_else(|| unwell.to_string(), |w| w.text(out.language));
            out.tell(&messages::monitor_unwell(of, detail));
            Exit::Failed
        }
    }
}

/// `PAY/server/port` or `PAY/server`.
fn parts(text: &str) -> Option<(String, String, Option<String>)> {
    let parts: Vec<&str> = text.split('/').collect();
    match *parts {
        [group, resource] => Some((group.to_owned(), resource.to_owned(), None)),
        [group, resource, monitor] => {
            Some((group.to_owned(), resource.to_owned(), Some(monitor.to_owned())))
        }
        _ => None,
    }
}

fn odd(out: &Out, given: &str) -> Exit {
    let detail = phrase::usage_value(given, "GROUP/RESOURCE[/MONITOR]").text(out.language);
    out.tell(&messages::usage_wrong(detail, "tsugi monitor --help"));
    Exit::Usage
}

fn time(patience: &Patience) -> Result<Duration, &str> {
    let span = duration(&patience.within).ok_or(patience.within.as_str())?;
    Ok(Duration::from_nanos(span.0))
}

/// What tsugi itself has to say; a failed call says what the system says.
fn words(unwell: &Unwell) -> Option<Phrase> {
    match unwell {
        Unwell::Silent(within) => Some(phrase::unwell_silent(within.as_millis())),
        Unwell::Status(code) => Some(phrase::unwell_status(*code)),
        Unwell::Link(Carrier::Gone) => Some(phrase::unwell_no_link()),
        Unwell::Link(Carrier::Up | Carrier::Down) => Some(phrase::unwell_no_carrier()),
        Unwell::Command | Unwell::Failed(_) | Unwell::Http(_) => None,
    }
}
