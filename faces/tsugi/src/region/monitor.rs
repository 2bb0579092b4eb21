//! Whether a region is well, as the monitor of its group asks it (MF-05).

use std::net::SocketAddr;

use super::Directory;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Every listener that is asked for listens.
    Well,
    /// The directory does not answer.
    DirectoryDown,
    /// The directory knows no such region.
    NoRegion,
    /// The region has no listener of this name.
    ListenerMissing(String),
    /// Nobody listens at this listener of it.
    ListenerStopped(String, SocketAddr),
}

/// What is to be said of a region. Without names each of its listeners is asked for, and there
/// must be one.
pub fn look<E>(directory: Result<&Directory, E>, region: &str, listeners: &[String]) -> Found {
    let Ok(directory) = directory else { return Found::DirectoryDown };
    let Some(region) = directory.region(region) else { return Found::NoRegion };
    let missing = |name: &&String| !region.listeners.iter().any(|its| its.name == **name);
    if let Some(name) = listeners.iter().find(missing) {
        return Found::ListenerMissing(name.clone());
    }
    if region.listeners.is_empty() {
        return Found::ListenerMissing(super::listener::USUAL.to_owned());
    }
    let asked = |name: &String| listeners.is_empty() || listeners.contains(name);
    let stopped = region.listeners.iter().find(|its| asked(&its.name) && !its.listens);
    stopped.map_or(Found::Well, |its| Found::ListenerStopped(its.name.clone(), its.address))
}
