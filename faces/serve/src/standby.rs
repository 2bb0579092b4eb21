//! A daemon in two parts (decision 17): one that is started on every node and listens before the
//! address is there, and a small one of the group that hands it the volume and takes it back.
//!
//! The small one holds a connection to the other for as long as the group is here. Whatever ends
//! it, a stop or the kill at a lease's end, ends that connection, and with it all answers.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tsugi_door::{Door, Settings as OfDoor, Sign};
use tsugi_host::listen::Address;
use tsugi_messages::{self as messages, Language, Message};
use tsugi_service_engine::worker::pipe::Ward;

use crate::args::{Activate, Standby};
use crate::around::{Around, Hold};
use crate::control::{self, Desk, Told};
use crate::giver::{self, CLOSE, CLOSED, Giver};
use crate::group::{Claimed, Group, NotOpened, Staff};
use crate::log::Log;
use crate::reserve::Reserve;
use crate::whole::{LAST_ANSWERS, Signals, begin_log, cannot_listen, open, ready, ward};
use crate::{block_on, epoch, start};

const OPEN: &str = "open";
const OPENED: &str = "opened";
/// How long whoever connects may take to say what he wants, and then to hear it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the last of a worker may take to be gone before its volume is given back.
const LAST_WORKERS: Duration = Duration::from_secs(2);
/// How long the address may be another process's, and how long the daemon is waited for.
const WAIT: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(5);

/// What somebody who has connected says, and his connection.
type Said = (String, BufReader<OwnedReadHalf>, OwnedWriteHalf);

/// Where the volume is.
enum Volume {
    /// Not here.
    Away,
    /// Handed over.
    Held(Box<Held>),
    /// On its way back.
    Leaving(Box<Leaving>),
}

/// A volume that was handed over.
struct Held {
    group: Group,
    way: Way,
    desk: Desk,
    log: Log,
    giver: Giver,
}

/// A volume that is being closed.
struct Leaving {
    closed: JoinHandle<()>,
    desk: Desk,
    giver: Giver,
}

/// Where callers come in.
enum Entrance {
    /// It listens all the time: what is not open is told at once.
    Standing(Door),
    /// It listens while the volume is here. Of the nodes of one machine only one may.
    Late(SocketAddr),
}

/// Where callers come in to a volume that is here.
struct Way {
    at: SocketAddr,
    sign: Sign,
    /// The door, where it was opened for this volume alone.
    own: Option<Door>,
}

/// What stands by.
struct Stand {
    around: Around,
    entrance: Entrance,
    of_door: OfDoor,
    ward: Ward,
    reserve: Reserve,
    log: Option<PathBuf>,
    language: Language,
    tell: mpsc::Sender<Said>,
}

/// Stands by until SIGTERM or SIGINT.
#[must_use]
pub fn stand_by(args: &Standby, language: Language) -> ExitCode {
    block_on(run(args, language), language)
}

async fn run(args: &Standby, language: Language) -> Result<(), Box<Message>> {
    let system = |why: io::Error| Box::new(messages::internal_failure("tsugi serve", why));
    let mut signals = Signals::watch().map_err(system)?;
    let around = start::around(&args.daemon)?;
    let of_door = start::door(&args.daemon, &around.node)?;
    let at = args.daemon.listen;
    // First of all: until here another process may answer at this address.
    let listener = match args.listen_late {
        true => None,
        false => Some(listening(&around, at)?),
    };
    let ward = ward(&around)?;
    let reserve = Reserve::begin(&around, &ward, (args.copies.as_deref(), language));
    // Nothing is open behind it: who calls is refused at once and tries the next owner.
    let entrance = match listener {
        Some(listener) => Entrance::Standing(door(&around, listener, &of_door)?),
        None => Entrance::Late(at),
    };
    let control = control::listen(&args.control)
        .map_err(|why| Box::new(messages::serve_option_unusable("--control", why)))?;
    let (tell, mut said) = mpsc::channel(16);
    let log = args.daemon.log.clone();
    let stand = Stand { around, entrance, of_door, ward, reserve, log, language, tell };
    let mut volume = Volume::Away;
    ready();
    loop {
        tokio::select! {
            () = signals.told() => break,
            accepted = control.accept() => {
                stand.listen_to(accepted.ok().map(|(stream, _)| stream));
            }
            Some(said) = said.recv() => volume = stand.asked(said, volume).await,
            () = volume.goes_on() => volume = stand.go_on(volume),
        }
    }
    if let Volume::Held(held) = volume {
        volume = stand.close(*held);
    }
    if let Volume::Leaving(_) = volume {
        volume.goes_on().await;
    }
    Ok(())
}

impl Volume {
    /// Waits until it is to go back, or has.
    async fn goes_on(&mut self) {
        match self {
            Self::Away => std::future::pending().await,
            Self::Held(held) => held.giver.wants_it_back().await,
            Self::Leaving(leaving) => leaving.end().await,
        }
    }

    /// Who answers for it.
    fn desk(&self) -> Option<&Desk> {
        match self {
            Self::Away => None,
            Self::Held(held) => Some(&held.desk),
            Self::Leaving(leaving) => Some(&leaving.desk),
        }
    }
}

impl Leaving {
    /// Waits until everything of it is closed, and says so.
    async fn end(&mut self) {
        match (&mut self.closed).await {
            Ok(()) => self.giver.say_closed(),
            // What is closed and what is not nobody knows.
            Err(_) => self.giver.cut(),
        }
    }
}

impl Stand {
    /// Hears what somebody says who has connected.
    fn listen_to(&self, stream: Option<UnixStream>) {
        let Some(stream) = stream else { return };
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let (read, write) = stream.into_split();
            let mut read = BufReader::new(read);
            if let Ok(line) = tokio::time::timeout(PATIENCE, line(&mut read)).await {
                drop(tell.send((line, read, write)).await);
            }
        });
    }

    /// Somebody asks how things stand, or hands a volume over.
    async fn asked(&self, (line, read, mut write): Said, volume: Volume) -> Volume {
        let words: Vec<&str> = line.split('\t').collect();
        let [OPEN, at, text] = words.as_slice() else {
            let desk = volume.desk().cloned();
            // Its core may be waiting for the disk: nothing else waits with it.
            let answer = async move {
                let told = match desk {
                    Some(desk) => desk.told(&line).await,
                    None => Told::NotOpen,
                };
                write.write_all(&told.line()).await
            };
            // Who does not read has asked nothing.
            tokio::spawn(async { drop(tokio::time::timeout(PATIENCE, answer).await) });
            return volume;
        };
        let Volume::Away = volume else {
            // It is another's until it is given back.
            drop(say(&mut write, "held").await);
            return volume;
        };
        match Giver::hear(read, write) {
            Ok(giver) => self.take(giver, (at, text)),
            // He is told by the end of his connection.
            Err(why) => {
                let why = messages::internal_failure("tsugi serve", why);
                eprintln!("{}", why.line(self.language));
                Volume::Away
            }
        }
    }

    /// Opens what is handed over.
    fn take(&self, mut giver: Giver, volume: (&str, &str)) -> Volume {
        // What a takeover waits for comes first.
        self.reserve.opens();
        match self.enter().and_then(|way| Ok((self.open(volume)?, way))) {
            Ok(((group, hold, log), way)) => {
                let (at, around) = (way.at, &self.around);
                let desk = Desk::new(around, &hold, (&group, &log, (at, &self.of_door)));
                log.tell(&messages::serve_opened(&around.group, &around.node, hold.epoch, at));
                giver.stands_for(&group.settings.last, &log);
                // Who hears that it is open may call. Who has gone by now has ended the process.
                way.sign.open(open(&group));
                if giver.say(OPENED).is_err() {
                    giver.cut();
                }
                Volume::Held(Box::new(Held { group, way, desk, log, giver }))
            }
            Err(message) => {
                let line = message.line(self.language);
                eprintln!("{line}");
                // What is copied of it has come to its end before it goes.
                self.reserve.leaves();
                giver.refuse(&line);
                self.reserve.is_away();
                Volume::Away
            }
        }
    }

    /// What was waited for has come.
    fn go_on(&self, volume: Volume) -> Volume {
        match volume {
            Volume::Held(held) => self.close(*held),
            Volume::Away => Volume::Away,
            Volume::Leaving(_) => {
                self.reserve.is_away();
                Volume::Away
            }
        }
    }

    fn open(&self, (volume, text): (&str, &str)) -> Result<(Group, Hold, Log), Box<Message>> {
        let epoch = epoch::read(text)
            .map_err(|why| Box::new(messages::serve_option_unusable("--epoch", why)))?;
        let hold = Hold { volume: PathBuf::from(volume), epoch };
        let around = &self.around;
        let not_opened = |why: NotOpened| Box::new(why.message(around, &hold));
        let claimed = Claimed::claim(around, &hold).map_err(not_opened)?;
        let log = begin_log(around, &hold, (self.log.as_deref(), self.language))?;
        let staff = Staff { ward: &self.ward, log: &log, reserve: &self.reserve };
        let group = Group::open(claimed, (around, &hold), staff);
        let group = group.map_err(not_opened)?;
        if let Err(why) = log.take_its_name() {
            group.hand_over(around);
            return Err(not_opened(NotOpened::System(why)));
        }
        Ok((group, hold, log))
    }

    /// Where callers of a volume come in. Nothing of the volume is touched before that is there:
    /// whoever answers at the address may have it still.
    fn enter(&self) -> Result<Way, Box<Message>> {
        match &self.entrance {
            Entrance::Standing(door) => {
                Ok(Way { at: door.address(), sign: door.sign(), own: None })
            }
            Entrance::Late(at) => {
                let listener = listening(&self.around, *at)?;
                let door = door(&self.around, listener, &self.of_door)?;
                Ok(Way { at: door.address(), sign: door.sign(), own: Some(door) })
            }
        }
    }

    /// Gives the volume back.
    fn close(&self, held: Held) -> Volume {
        let Held { group, way, desk, log, giver } = held;
        let (around, ward) = (self.around.clone(), self.ward.clone());
        let reserve = self.reserve.clone();
        let closed = tokio::task::spawn_blocking(move || {
            reserve.leaves();
            group.hand_over(&around);
            way.sign.close();
            if let Some(door) = way.own {
                door.close(LAST_ANSWERS);
            }
            log.tell(&messages::serve_ended(&around.group, &around.node));
            drop(log);
            // What workers run and say lies on the volume: whoever unmounts it finds it in use.
            let _some_left = ward.is_empty_within(LAST_WORKERS);
        });
        Volume::Leaving(Box::new(Leaving { closed, desk, giver }))
    }
}

fn listening(around: &Around, at: SocketAddr) -> Result<TcpListener, Box<Message>> {
    let listener = start::listen(at, Address::Anywhere, WAIT);
    listener.map_err(|why| cannot_listen(around, &at, &why))
}

fn door(around: &Around, listener: TcpListener, of_door: &OfDoor) -> Result<Door, Box<Message>> {
    let at = listener.local_addr().map_err(|why| messages::internal_failure("tsugi serve", why))?;
    Door::open(listener, of_door).map_err(|why| cannot_listen(around, &at, &why))
}

/// A line without its end; empty where there is none any more.
async fn line(from: &mut BufReader<OwnedReadHalf>) -> String {
    let mut line = String::new();
    match from.take(giver::LINE_MOST).read_line(&mut line).await {
        Ok(_) if line.ends_with('\n') => line.trim_end().to_owned(),
        Ok(_) | Err(_) => String::new(),
    }
}

async fn say(to: &mut OwnedWriteHalf, word: &str) -> io::Result<()> {
    to.write_all(format!("{word}\n").as_bytes()).await
}

/// Hands a volume over until SIGTERM or SIGINT, and has it given back then.
#[must_use]
pub fn activate(args: &Activate, language: Language) -> ExitCode {
    block_on(hand_over(args), language)
}

async fn hand_over(args: &Activate) -> Result<(), Box<Message>> {
    let system = |why: io::Error| Box::new(messages::internal_failure("tsugi serve", why));
    let refused = |why: &dyn std::fmt::Display| {
        Box::new(messages::serve_not_handed_over(args.control.display(), why))
    };
    let mut signals = Signals::watch().map_err(system)?;
    let stream = connect(&args.control).await.map_err(|why| refused(&why))?;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let volume = args.volume.display();
    let order = format!("{OPEN}\t{volume}\t{}", args.epoch);
    say(&mut write, &order).await.map_err(|why| refused(&why))?;
    expect(&mut read, OPENED).await.map_err(|said| refused(&said))?;
    ready();
    tokio::select! {
        () = signals.told() => {}
        said = line(&mut read) => return Err(refused(&said)),
    }
    say(&mut write, CLOSE).await.map_err(|why| refused(&why))?;
    expect(&mut read, CLOSED).await.map_err(|said| refused(&said))
}

/// Where a node has just started, the daemon may come a moment later.
async fn connect(path: &Path) -> io::Result<UnixStream> {
    let end = Instant::now() + WAIT;
    loop {
        match UnixStream::connect(path).await {
            Err(_) if Instant::now() < end => tokio::time::sleep(AGAIN).await,
            done => return done,
        }
    }
}

/// What was said in its place, where it was not this word.
async fn expect(read: &mut BufReader<OwnedReadHalf>, word: &str) -> Result<(), String> {
    let said = line(read).await;
    if said == word { Ok(()) } else { Err(said) }
}
