//! `region …`: the regions of this node, or of another's directory.

mod stop;

use std::net::SocketAddr;
use std::sync::Arc;

use tsugi_messages::{self as messages, Column, Phrase, Table, phrase};
use tsugi_wire::control::Request;

pub(super) use stop::{Ended, clean, stop};

use crate::args::Region as Asked;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Observed, Out};
use crate::pages::NotServed;
use crate::region::listener::Listener;
use crate::region::monitor::{self, Found};
use crate::region::pages::{self, PORTS};
use crate::region::{Directory, Region, State};
use crate::render;

/// Carries it out.
pub fn region(agents: &Agents, out: &Out, asked: &Asked) -> Exit {
    match asked {
        Asked::List { region, at } => list(agents, out, (region.as_deref(), at.as_deref())),
        Asked::Monitor { region, listener } => watch(agents, out, (region, listener)),
        Asked::Stop(asked) => match stop(agents, out, asked) {
            Ended::So(exit) => exit,
            Ended::NoTool => Exit::Refused,
            Ended::NoDirectory(exit) => exit,
        },
        Asked::Serve { listen } => serve(agents, out, listen),
    }
}

/// The directory that is meant: this machine's, or the one at an address.
pub(super) fn directory(agents: &Agents, out: &Out, at: Option<&str>) -> Result<Directory, Exit> {
    let Some(at) = at.map(pages::typed) else {
        let silent = |silence: crate::ask::Silence| {
            silence.tell(out, ("tsugi region list", &Request::Status))
        };
        return Directory::look(agents).map_err(silent);
    };
    pages::ask(&at).map_err(|why| {
        out.tell(&messages::directory_elsewhere_silent(&at, why));
        Exit::NoMajority
    })
}

/// The region of a name, or what is said where there is none.
pub(super) fn one<'a>(
    out: &Out,
    (directory, name): (&'a Directory, &str),
) -> Result<&'a Region, Exit> {
    directory.region(name).ok_or_else(|| {
        let known: Vec<&str> = directory.regions.iter().map(|one| one.name.as_str()).collect();
        out.tell(&messages::region_unknown(name, known.join(", ")));
        Exit::NotFound
    })
}

fn list(agents: &Agents, out: &Out, (name, at): (Option<&str>, Option<&str>)) -> Exit {
    let mut directory = match directory(agents, out, at) {
        Ok(directory) => directory,
        Err(exit) => return exit,
    };
    if let Some(name) = name {
        match one(out, (&directory, name)).cloned() {
            Ok(region) => directory.regions = vec![region],
            Err(exit) => return exit,
        }
    }
    let observed = Observed { by: directory.node.clone(), ..Observed::here() };
    out.show(pages::SCHEMA, &observed, &directory, || lines(out, &directory.regions));
    Exit::Done
}

fn lines(out: &Out, regions: &[Region]) -> Vec<String> {
    if regions.is_empty() {
        return vec![phrase::regions_none().text(out.language)];
    }
    let mut table = Table::new([Column::Left; 5]);
    let heading = [
        phrase::heading_region(),
        phrase::heading_state(),
        phrase::heading_runs_on(),
        phrase::heading_listener(),
        phrase::heading_service(),
    ];
    table.row(heading.map(|word| word.text(out.language)));
    for region in regions {
        let services: Vec<&str> = region.services.iter().map(|one| one.name.as_str()).collect();
        let listeners: Vec<String> = region.listeners.iter().map(|one| told(out, one)).collect();
        table.row([
            region.name.clone(),
            state(region.state).text(out.language),
            region.runs_on.clone().unwrap_or_else(|| "-".to_owned()),
            listeners.join(", "),
            services.join(", "),
        ]);
    }
    table.lines(render::columns())
}

fn told(out: &Out, listener: &Listener) -> String {
    let Listener { name, address, listens } = listener;
    let told = match listens {
        true => phrase::listener_started(name, address),
        false => phrase::listener_stopped(name, address),
    };
    told.text(out.language)
}

fn state(state: State) -> Phrase {
    match state {
        State::Stopped => phrase::region_stopped(),
        State::Starting => phrase::region_starting(),
        State::Started => phrase::region_started(),
        State::Stopping => phrase::region_stopping(),
        State::NotResponding => phrase::region_not_responding(),
    }
}

/// As the monitor of a group: 0 if the region is well, else 1, and what is wrong.
fn watch(agents: &Agents, out: &Out, (region, listeners): (&str, &[String])) -> Exit {
    let directory = Directory::look(agents);
    let message = match monitor::look(directory.as_ref(), region, listeners) {
        Found::Well => {
            out.say_text(&messages::region_is_well(region).line(out.language));
            return Exit::Done;
        }
        Found::DirectoryDown => messages::region_directory_down(region),
        Found::NoRegion => {
            let known = directory.iter().flat_map(|directory| &directory.regions);
            let known: Vec<&str> = known.map(|one| one.name.as_str()).collect();
            messages::region_unknown(region, known.join(", "))
        }
        Found::ListenerMissing(name) => messages::region_listener_missing(region, name),
        Found::ListenerStopped(name, at) => messages::region_listener_stopped(region, name, at),
    };
    out.tell(&message);
    Exit::Failed
}

/// Tells the regions at these addresses, until it is told to end.
fn serve(agents: &Agents, out: &Out, listen: &[SocketAddr]) -> Exit {
    let usual = PORTS.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let at = if listen.is_empty() { &usual[..] } else { listen };
    let agents = agents.clone();
    let page = Arc::new(move |path: &str| pages::at(&agents, path));
    match crate::pages::serve(page, at, |at| out.tell(&messages::regions_served(at))) {
        Ok(()) => Exit::Done,
        Err(NotServed { at, why }) => {
            out.tell(&messages::regions_not_served(at, why));
            Exit::Failed
        }
    }
}
