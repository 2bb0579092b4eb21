//! What is told at a start, made into what a daemon works with.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
use crate::around::{Around, Database};
use crate::groups::{Groups, Shows};

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
    let shows = Shows {
        token: daemon.other_token.as_deref(),
        authorities: daemon.other_authorities.as_deref(),
    };
    let groups = Groups::of(&group, &daemon.other, shows)?.map(Arc::new);
    Ok(Around {
        groups,
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
        database: database(daemon)?,
    })
}

/// The database that keeps the store, where one is said.
fn database(daemon: &OfDaemon) -> Result<Option<Database>, Box<Message>> {
    let Some(server) = &daemon.postgres else { return Ok(None) };
    let server = server_of(server, daemon.password_file.as_deref())?;
    let member = daemon.member.as_deref().map(NodeName::new).transpose();
    let member = member.map_err(|why| unusable("--member", why))?;
    let member = member.map(|member| member.to_string()).unwrap_or_default();
    Ok(Some(Database { server, member, sessions: daemon.sessions.clamp(1, 64) }))
}

/// A server as its library takes it, with its password.
///
/// # Errors
/// Words that hold a password, or a file of one that others can read.
pub fn server_of(server: &str, password_file: Option<&Path>) -> Result<String, Box<Message>> {
    if server.to_ascii_lowercase().contains("password") || server.contains("://") {
        // Who sees the command line would know it.
        return Err(unusable("--postgres", "password: --password-file"));
    }
    let Some(file) = password_file else { return Ok(server.to_owned()) };
    let password = password(file).map_err(|why| unusable("--password-file", why))?;
    let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
    Ok(format!("{server} password='{quoted}'"))
}

/// The first line of a file that is its owner's alone: this process's user.
fn password(file: &Path) -> io::Result<String> {
    use std::io::Read as _;
    use std::os::unix::fs::MetadataExt as _;
    let mut open = std::fs::File::open(file)?;
    let meta = open.metadata()?;
    if !meta.is_file() || meta.mode() & 0o077 != 0 || meta.uid() != geteuid().as_raw() {
        let what = format!("{}: mode {:o}, uid {}", file.display(), meta.mode(), meta.uid());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    let mut text = String::new();
    open.read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
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
