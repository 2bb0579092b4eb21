//! The local socket at which a daemon is asked: a line of JSON there, a line back.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tsugi_door::{Loopback, Settings as OfDoor, Transport};
use tsugi_service_engine::{Answer, Calls, Failover, Identity, Inquiry, Refused, Resolved, names};
use tsugi_service_rules::ground::Effects;
use tsugi_service_rules::id::{CallId, Incarnation, Life, Serial};
use tsugi_store::{Block, Ending, Reply};
use tsugi_vocabulary::Span;

use crate::around::{Around, Hold};
use crate::group::Group;
use crate::log::Log;
use crate::services::{self, Found, Quota};
use crate::shelf;

/// The name of a socket on a volume.
const NAME: &str = "serve.sock";
/// The flag of a socket that is listened at, in the kernel's list.
const LISTENS: &str = "00010000";
/// How many unknown calls of a service are shown.
const UNKNOWN_SHOWN: usize = 16;
/// The longest line that is read, in bytes.
const LINE_MOST: u64 = 64 << 10;
/// How long somebody may take to say his line.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a daemon is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Asked {
    /// How things stand.
    Status {},
    /// Take no new calls of a service, whatever daemon has the volume.
    Block {
        /// Which.
        service: String,
        /// Who wants that.
        by: String,
        /// Why.
        reason: String,
    },
    /// Take them again.
    Open {
        /// Of which service.
        service: String,
    },
    /// An unknown call was carried out, or was not: then the next arrival runs it.
    Resolve {
        /// Which.
        call: Which,
        /// What its caller is told, and every retry: JSON. None where it was not carried out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply: Option<String>,
    },
    /// A key is free again.
    Forget {
        /// Which.
        call: Which,
    },
}

/// A call, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// What its program is told of it, or `key:TEXT` or `NAME:INCARNATION.SERIAL` as its caller
    /// says it.
    pub id: String,
    /// Who has called, where it is said as callers say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// What a daemon answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "kebab-case")]
pub enum Told {
    /// How things stand.
    Status(Status),
    /// It is done, durably where that is meant to outlive the daemon.
    Done,
    /// There is no such service.
    NoSuchService,
    /// It was not understood: this cannot be read.
    NotUnderstood {
        /// What.
        what: String,
    },
    /// It was refused.
    Refused {
        /// The refusal's number.
        number: u16,
        /// Its word.
        word: String,
    },
    /// Nothing is open here.
    NotOpen,
}

/// How a daemon stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The group.
    pub group: String,
    /// The node.
    pub node: String,
    /// The epoch of the hold.
    pub epoch: String,
    /// The volume.
    pub volume: PathBuf,
    /// Where callers come in.
    pub listens: SocketAddr,
    /// How the bytes of its callers travel: `tls`, `plain-on-loopback` or `plain-anywhere`.
    pub transport: String,
    /// Whether who comes from this machine is known without more: `known` or `unknown`.
    pub loopback: String,
    /// Why a failover of its database may lose what was committed last, where it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover_may_lose: Option<String>,
    /// Calls that have no answer yet.
    pub pending: usize,
    /// Lines that its log has not taken.
    pub log_lost: u64,
    /// Its services.
    pub services: Vec<OfService>,
}

/// How a service stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfService {
    /// What callers call it.
    pub name: String,
    /// What people call its package.
    pub package: String,
    /// The id of its package.
    pub id: String,
    /// Where it acts: `store`, `outside` or `reads`, as in its manifest.
    pub effects: String,
    /// Whether its calls are kept in order: `none` or `told`, as in its manifest.
    pub order: String,
    /// What keeps it from taking calls: the word of a refusal, and what is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// The service that says what became of its unknown calls, where its package names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve: Option<String>,
    /// Its unknown calls, where that one is asked about them: those of the lowest ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Unknown>,
    /// How many there are of them, as far as they are looked at.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unknown_calls: usize,
    /// Its calls that have no answer yet.
    pub pending: usize,
    /// Its workers.
    pub workers: Workers,
    /// How much it may use.
    pub limits: Limits,
}

/// Whether a count says nothing.
const fn is_none(count: &usize) -> bool {
    *count == 0
}

/// An unknown call about which a service is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Its id, as its program is told it: what `service resolve` takes.
    pub call: String,
    /// How often that service was asked.
    pub asked: u32,
    /// In how many milliseconds it is asked again; none while it is being asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_ms: Option<u64>,
    /// What it has said last, in words of programs.
    pub said: String,
}

/// How much a service may use, and its callers with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Calls at a time.
    pub workers: usize,
    /// Milliseconds of a call.
    pub call_ms: u64,
    /// Memory that a worker may hold, in MiB.
    pub memory_mib: u64,
    /// Calls that wait to be run.
    pub queue: usize,
    /// Bytes of one body.
    pub body: u64,
}

/// Why a service takes no calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The word of the refusal.
    pub word: String,
    /// What is known of it.
    pub why: String,
    /// Who wants that, where somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The workers of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workers {
    /// Those that have nothing to do.
    pub ready: usize,
    /// Those that have a call.
    pub busy: usize,
    /// Those that are not ready yet.
    pub starting: usize,
    /// Those that are ending.
    pub ending: usize,
}

/// What answers at the socket.
#[derive(Clone)]
pub struct Desk {
    around: Around,
    hold: Hold,
    calls: Calls,
    found: Arc<[Found]>,
    listens: SocketAddr,
    /// How bytes travel and who is known without more, by their words.
    door: (&'static str, &'static str),
    /// Lines that its log has not taken; the log itself ends with the hold.
    lost: Arc<AtomicU64>,
}

/// Where the socket is, where nothing else is said.
#[must_use]
pub fn on_volume(volume: &Path) -> PathBuf {
    volume.join(NAME)
}

/// The sockets of all daemons of this machine that are where nothing else is said, as the kernel
/// lists them: also those of other users, who may not be asked.
///
/// # Errors
/// The kernel does not list them.
pub fn here() -> io::Result<Vec<PathBuf>> {
    std::fs::read_to_string("/proc/net/unix").map(|list| listening(&list))
}

/// Those of a list of the kernel that are listened at, under the name of a daemon's.
fn listening(list: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let (before, _) = line.split_once('/')?;
        let listens = before.split_whitespace().nth(3) == Some(LISTENS);
        let path = Path::new(line.get(before.len()..)?);
        // Without a blank before it it is the name of another kind of socket.
        let is_path = before.ends_with(' ') && path.file_name() == Some(NAME.as_ref());
        (listens && is_path).then(|| path.to_path_buf())
    };
    let all: std::collections::BTreeSet<PathBuf> = list.lines().filter_map(path).collect();
    all.into_iter().collect()
}

/// Listens at a path; the socket that a former life left there goes, and nothing else.
/// Only the daemon's own user may ask.
///
/// # Errors
/// The path is too long, its folder not there, or something else is there.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    let there = std::fs::symlink_metadata(path);
    if there.is_ok_and(|there| there.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers whoever asks, until it is dropped.
pub async fn serve(listener: UnixListener, desk: Desk) {
    loop {
        // What goes wrong with one is over with it.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let desk = desk.clone();
        tokio::spawn(async move {
            // Who does not say his line in time, or does not read, has asked nothing.
            drop(tokio::time::timeout(PATIENCE, one(stream, &desk)).await);
        });
    }
}

async fn one(stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_MOST)).read_line(&mut line).await?;
    write.write_all(&desk.told(&line).await.line()).await
}

impl Told {
    /// As it is said: a line.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("it has only what JSON has");
        line.push(b'\n');
        line
    }
}

impl Desk {
    /// The desk of a group that is open.
    #[must_use]
    pub fn new(around: &Around, hold: &Hold, of: (&Group, &Log, (SocketAddr, &OfDoor))) -> Self {
        let (group, log, (listens, door)) = of;
        Self {
            around: around.clone(),
            hold: hold.clone(),
            calls: group.calls(),
            found: group.found.clone().into(),
            listens,
            door: (transport(door), loopback(door)),
            lost: log.lost.clone(),
        }
    }

    /// Does what a line asks. It takes as long as the disk does.
    pub async fn told(&self, line: &str) -> Told {
        match serde_json::from_str::<Asked>(line) {
            Ok(asked) => self.answer(asked).await,
            Err(why) => Told::NotUnderstood { what: why.to_string() },
        }
    }

    /// Does what is asked.
    pub async fn answer(&self, asked: Asked) -> Told {
        match asked {
            Asked::Status {} => self.status().await.map_or(Told::NotOpen, Told::Status),
            Asked::Block { service, by, reason } => {
                let block = Block { who: by, why: reason, at: shelf::wall_ms() };
                self.block(&service, Some(block)).await
            }
            Asked::Open { service } => self.block(&service, None).await,
            Asked::Resolve { call, reply } => match (id(&call), reply.map(carried_out)) {
                (Some(id), None) => told(self.calls.resolve(id, Resolved::NotCarriedOut).await),
                (Some(id), Some(Ok(reply))) => told(self.calls.resolve(id, reply).await),
                (_, Some(Err(what))) => Told::NotUnderstood { what },
                (None, _) => Told::NotUnderstood { what: call.id },
            },
            Asked::Forget { call } => match id(&call) {
                Some(id) => told(self.calls.forget(id).await),
                None => Told::NotUnderstood { what: call.id },
            },
        }
    }

    async fn block(&self, service: &str, block: Option<Block>) -> Told {
        if !self.found.iter().any(|found| &*found.name == service) {
            return Told::NoSuchService;
        }
        told(self.calls.block(services::number(service), block).await)
    }

    async fn status(&self) -> Option<Status> {
        let figures = self.calls.figures().await?;
        let of = |found: &Found| {
            let number = services::number(&found.name);
            let of = figures.services.iter().find(|of| of.number == number)?;
            let Quota { workers, call_ms, memory_mib } = Quota::of(found.quotas(), &self.around);
            let (queue, body) = (self.around.calls.queue, self.around.calls.body);
            let inquiries = self.calls.inquiries(number);
            Some(OfService {
                name: found.name.to_string(),
                package: found.of.clone(),
                id: found.package.to_string(),
                effects: match of.effects {
                    Effects::Store => "store".to_owned(),
                    Effects::Outside => "outside".to_owned(),
                    Effects::None => "reads".to_owned(),
                },
                order: found.acts.1.word().to_owned(),
                closed: of.open.as_ref().err().map(closed),
                resolve: found.resolve.clone(),
                unknown: inquiries.iter().take(UNKNOWN_SHOWN).map(unknown).collect(),
                unknown_calls: inquiries.len(),
                pending: of.pending,
                workers: Workers {
                    ready: of.ready,
                    busy: of.busy,
                    starting: of.starting,
                    ending: of.ending,
                },
                limits: Limits { workers, call_ms, memory_mib, queue, body },
            })
        };
        Some(Status {
            group: self.around.group.to_string(),
            node: self.around.node.to_string(),
            epoch: self.hold.epoch.to_string(),
            volume: self.hold.volume.clone(),
            listens: self.listens,
            transport: self.door.0.to_owned(),
            loopback: self.door.1.to_owned(),
            failover_may_lose: match figures.failover {
                Failover::Kept => None,
                Failover::MayLose(why) => Some(why.to_string()),
            },
            pending: figures.pending,
            log_lost: self.lost.load(Ordering::Relaxed),
            services: self.found.iter().filter_map(of).collect(),
        })
    }
}

fn transport(door: &OfDoor) -> &'static str {
    match door.transport {
        Transport::Tls(_) => "tls",
        Transport::PlainOnLoopback => "plain-on-loopback",
        Transport::PlainAnywhere => "plain-anywhere",
    }
}

fn loopback(door: &OfDoor) -> &'static str {
    match (&door.transport, door.loopback) {
        // By TLS everybody proves who he is.
        (Transport::Tls(_), _) | (_, Loopback::Unknown) => "unknown",
        (Transport::PlainOnLoopback | Transport::PlainAnywhere, Loopback::Known) => "known",
    }
}

fn unknown(inquiry: &Inquiry) -> Unknown {
    Unknown {
        call: inquiry.id.whole(),
        asked: inquiry.state.asked(),
        again_ms: inquiry.again_in().map(Span::as_millis),
        said: inquiry.said.clone(),
    }
}

fn closed(refused: &Refused) -> Closed {
    let (why, by) = match refused {
        Refused::Blocked { by, reason } => (reason.clone(), Some(by.clone())),
        Refused::NotDeployed { why } | Refused::NoWorker { why } => (why.to_string(), None),
        Refused::StoreAway { why } => (why.clone(), None),
        other => (format!("{other:?}"), None),
    };
    Closed { word: refused.word().to_owned(), why, by }
}

/// The call that somebody names.
fn id(which: &Which) -> Option<CallId> {
    if let Some(id) = CallId::read(&which.id) {
        return Some(id);
    }
    let identity = Identity(which.identity.clone()?);
    let (kind, rest) = which.id.split_once(':')?;
    if kind == "key" {
        return Some(CallId::Keyed(names::key(&identity, rest)));
    }
    let (incarnation, serial) = rest.split_once('.')?;
    let life = Life {
        client: names::client(&identity, kind),
        incarnation: Incarnation(incarnation.parse().ok()?),
    };
    Some(CallId::Counted { life, serial: Serial::new(serial.parse().ok()?)? })
}

/// That a call was carried out, with this reply; what cannot be read of it.
fn carried_out(body: String) -> Result<Resolved, String> {
    serde_json::from_str::<serde::de::IgnoredAny>(&body).map_err(|why| why.to_string())?;
    let reply = Reply {
        ending: Ending::Done,
        service: 0,
        // The engine knows which interface its call was read by.
        interface: 0,
        // No run of its program has said so.
        attempt: 0,
        at: shelf::wall_ms(),
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.into_bytes(),
    };
    Ok(Resolved::Answered(Box::new(reply)))
}

fn told(answer: Answer) -> Told {
    match answer {
        Answer::Changed => Told::Done,
        Answer::Refused(refused) => {
            Told::Refused { number: refused.number(), word: refused.word().to_owned() }
        }
        // Nobody is told either of what was asked here.
        Answer::Reply(_) | Answer::Pending => Told::NotOpen,
    }
}

/// Asks the daemon at a path, and waits so long for its answer.
///
/// # Errors
/// Nobody answers there.
pub fn ask(path: &Path, asked: &Asked, patience: Duration) -> io::Result<Told> {
    use std::io::{BufRead as _, Write as _};
    let mut stream = std::os::unix::net::UnixStream::connect(path)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut line = serde_json::to_vec(asked)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    io::BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_found_where_they_listen_and_nothing_else_is() {
        let list = "\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 20631 /u01/serve.sock
0000000000000000: 00000003 00000000 00000000 0001 03 20633 /u01/serve.sock
0000000000000000: 00000002 00000000 00010000 0001 01   211 /my disk/serve.sock
0000000000000000: 00000002 00000000 00010000 0001 01 20640 @/u02/serve.sock
0000000000000000: 00000002 00000000 00010000 0001 01 20641 /u03/control.sock
0000000000000000: 00000002 00000000 00010000 0001 01 20642
";
        let found = listening(list);
        assert_eq!(found, [Path::new("/my disk/serve.sock"), Path::new("/u01/serve.sock")]);
    }
}
