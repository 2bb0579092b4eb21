//! What is told at a start, made into what a daemon works with.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{User as Known, geteuid};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tsugi_door::{Loopback, Settings as OfDoor, Tokens, Transport};
use tsugi_host::enclosed::User;
use tsugi_host::listen::{Address, listening};
use tsugi_messages::{self as messages, Message};
use tsugi_service_rules::limits;
use tsugi_service_rules::worker::{life, pool};
use tsugi_vocabulary::{GroupName, NodeName, Span};
use tsugi_worker::Environment;

use crate::args::OfDaemon;
use crate::around::Around;

/// How often an address that another process has is asked for.
const AGAIN: Duration = Duration::from_millis(5);
/// Descriptors that are kept for all that is no caller's connection.
const RESERVE: u64 = 256;
/// Where the daemon of a group has its workers, where nothing else is said.
const WORKERS: &str = "tsugi-serve";

fn unusable(option: &str, why: impl std::fmt::Display) -> Box<Message> {
    Box::new(messages::serve_option_unusable(option, why))
}

/// Where and for whom it runs.
///
/// # Errors
/// An option that cannot be used.
pub fn around(daemon: &OfDaemon) -> Result<Around, Box<Message>> {
    let group = GroupName::new(&daemon.group).map_err(|why| unusable("--group", why))?;
    let node = NodeName::new(&daemon.node).map_err(|why| unusable("--node", why))?;
    let own = std::env::current_exe().map_err(|why| unusable("tsugi serve", why))?;
    let limits = life::Limits { call: Span::millis(daemon.call_limit), ..life::Limits::default() };
    let start = daemon.start.max(1);
    let pool = pool::Settings { start, most: start + 3, limits, ..pool::Settings::default() };
    let environment = Environment {
        group: group.to_string(),
        node: node.to_string(),
        time_zone: daemon.time_zone.clone(),
        locale: daemon.locale.clone(),
        code_page: daemon.code_page.clone(),
    };
    Ok(Around {
        user: user(daemon.user.as_deref())?,
        worker: vec![own.to_string_lossy().into_owned(), "worker".to_owned()],
        workers: workers(daemon.workers.as_deref(), &group),
        environment,
        group,
        node,
        pool,
        memory_mib: daemon.memory,
        calls: limits::Limits { queue: daemon.queue, body: daemon.body, ..Default::default() },
        grace: Span::millis(daemon.grace),
    })
}

/// Whose rights the workers have. Root names somebody: there is no default.
fn user(name: Option<&str>) -> Result<User, Box<Message>> {
    let Some(name) = name else {
        if geteuid().is_root() {
            return Err(unusable("--user", "root"));
        }
        return Ok(User::Same);
    };
    let known = Known::from_name(name).map_err(|why| unusable("--user", why))?;
    let known = known.ok_or_else(|| unusable("--user", name))?;
    if known.uid == geteuid() {
        return Ok(User::Same);
    }
    Ok(User::Other { uid: known.uid.as_raw(), gid: known.gid.as_raw() })
}

/// Where the workers have their folders: in that of the group's run, where there is one.
fn workers(said: Option<&Path>, group: &GroupName) -> PathBuf {
    let run = || std::env::var_os("TSUGI_RUN").map(|run| PathBuf::from(run).join("workers"));
    let own = || std::env::temp_dir().join(format!("{WORKERS}-{group}-{}", geteuid()));
    said.map(Path::to_path_buf).or_else(run).unwrap_or_else(own)
}

/// How its door is set up.
///
/// # Errors
/// A file that cannot be read or used.
pub fn door(daemon: &OfDaemon, node: &NodeName) -> Result<OfDoor, Box<Message>> {
    let mut settings = OfDoor::on_loopback(node.clone());
    let most = connections().map_err(|why| messages::internal_failure("tsugi serve", why))?;
    settings.limits.connections = settings.limits.connections.min(most);
    if let Some(file) = &daemon.tokens {
        let text = std::fs::read_to_string(file).map_err(|why| unusable("--tokens", why))?;
        settings.tokens = Tokens::read(&text).map_err(|why| unusable("--tokens", why))?;
    }
    if daemon.plain {
        settings.transport = Transport::PlainAnywhere;
    }
    if daemon.plain || daemon.tokens.is_some() {
        // Who comes from this machine may be a proxy for anybody.
        settings.loopback = Loopback::Unknown;
    }
    if let (Some(certificate), Some(key)) = (&daemon.certificate, &daemon.key) {
        let chain = certificates(certificate).map_err(|why| unusable("--certificate", why))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|why| unusable("--key", why))?;
        let signs = daemon.authorities.as_deref().map(certificates).transpose();
        let signs = signs.map_err(|why| unusable("--authorities", why))?.unwrap_or_default();
        let config = tsugi_door::tls(chain, key, &signs);
        settings.transport = Transport::Tls(config.map_err(|why| unusable("--certificate", why))?);
    }
    Ok(settings)
}

/// How many connections there may be, once the process has as many descriptors as it may have.
fn connections() -> io::Result<usize> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let most = most - RESERVE.min(most / 2);
    Ok(usize::try_from(most).unwrap_or(usize::MAX))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, rustls_pki_types::pem::Error> {
    CertificateDer::pem_file_iter(file)?.collect()
}

/// Listens, and waits so long for another process to leave the address.
///
/// # Errors
/// The port is in use, or the address is not here and has to be.
pub fn listen(at: SocketAddr, address: Address, patience: Duration) -> io::Result<TcpListener> {
    let end = Instant::now() + patience;
    loop {
        match listening(at, address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < end => {
                std::thread::sleep(AGAIN);
            }
            done => return done.map(TcpListener::from),
        }
    }
}
