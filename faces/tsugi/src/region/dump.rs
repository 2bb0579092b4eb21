//! Regions in the form that `mdump` of the former product has, as scripts search it: a line
//! `Server NAME` a region, an entry `CN: NAME` a listener or service with its attributes below it.
//! Its words are that product's and have no language.

use super::listener::Listener;
use super::{Directory, Region, Service, State};

/// What is printed where the directory does not answer.
pub const DOWN: &str = "m_ldap_bind: 0x51 SERVER_DOWN";

/// The names of all regions: what `mdump HOST` prints.
pub fn names(directory: &Directory) -> Vec<String> {
    directory.regions.iter().map(|region| format!("Server {}", region.name)).collect()
}

/// Everything of one region: what `mdump HOST REGION` prints.
pub fn region(host: &str, region: &Region) -> Vec<String> {
    let mut lines = vec![
        format!("Server {}", region.name),
        format!("  mfServerHost: {host}"),
        format!("  mfServerStatus: {}", state(region.state)),
    ];
    lines.extend(region.runs_on.iter().map(|node| format!("  mfServerNode: {node}")));
    lines.extend(region.listeners.iter().flat_map(listener));
    lines.extend(region.services.iter().flat_map(service));
    lines
}

fn listener(listener: &Listener) -> [String; 4] {
    let status = if listener.listens { "Started" } else { "Stopped" };
    [
        format!("CN: {}", listener.name),
        "  objectClass: mfListener".to_owned(),
        format!("  mfListenerAddress: tcp:{}", listener.address),
        format!("  mfListenerStatus: {status}"),
    ]
}

fn service(service: &Service) -> [String; 4] {
    let status = if service.open { "Available" } else { "Unavailable" };
    [
        format!("CN: {}", service.name),
        "  objectClass: mfService".to_owned(),
        format!("  mfServicePackage: {}", service.package),
        format!("  mfServiceStatus: {status}"),
    ]
}

const fn state(state: State) -> &'static str {
    match state {
        State::Stopped => "Stopped",
        State::Starting => "Starting",
        State::Started => "Started",
        State::Stopping => "Stopping",
        State::NotResponding => "Not Responding",
    }
}
