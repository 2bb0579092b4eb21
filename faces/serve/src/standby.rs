//! A daemon in two parts (decision 17): one that is started on every node and listens before the
//! address is there, and a small one of the group that hands it the volume and takes it back.
//!
//! The small one holds a connection to the other for as long as the group is here. Whatever ends
//! it, a stop or the kill at a lease's end, ends that connection, and with it all answers.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tsugi_door::Door;
use tsugi_host::listen::Address;
use tsugi_messages::{self as messages, Language, Message};
use tsugi_service_engine::EXIT;
use tsugi_service_engine::worker::pipe::Ward;

use crate::args::{Activate, Standby};
use crate::around::{Around, Hold};
use crate::control::{self, Desk, Told};
use crate::group::{Claimed, Group, NotOpened};
use crate::log::Log;
use crate::whole::{Signals, begin_log, cannot_listen, open, ready, ward};
use crate::{block_on, epoch, start};

const OPEN: &str = "open";
const OPENED: &str = "opened";
const CLOSE: &str = "close";
const CLOSED: &str = "closed";
/// The longest line, in bytes.
const LINE_MOST: u64 = 64 << 10;
/// How long whoever connects may take to say what he wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the address may be another process's, and how long the daemon is waited for.
const WAIT: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(5);

/// What a daemon that stands by hears.
enum Heard {
    /// Somebody has connected and said this.
    Line(String, BufReader<OwnedReadHalf>, OwnedWriteHalf),
    /// Whoever has given the volume says this; nothing once he is gone.
    Word(String),
}

/// A volume that was handed over.
struct Held {
    group: Group,
    desk: Desk,
    log: Log,
    master: OwnedWriteHalf,
}

/// What stands by.
struct Stand {
    around: Around,
    door: Door,
    ward: Ward,
    log: Option<PathBuf>,
    language: Language,
    tell: mpsc::Sender<Heard>,
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
    let listener = start::listen(at, Address::Anywhere, WAIT)
        .map_err(|why| cannot_listen(&around, &at, &why))?;
    let ward = ward(&around)?;
    // Nothing is open behind it: who calls is refused at once and tries the next owner.
    let door = Door::open(listener, &of_door).map_err(|why| cannot_listen(&around, &at, &why))?;
    let control = control::listen(&args.control)
        .map_err(|why| Box::new(messages::serve_option_unusable("--control", why)))?;
    let (tell, mut heard) = mpsc::channel(16);
    let log = args.daemon.log.clone();
    let mut stand = Stand { around, door, ward, log, language, tell };
    let mut held: Option<Held> = None;
    ready();
    loop {
        let heard = tokio::select! {
            () = signals.told() => break,
            accepted = control.accept() => {
                stand.listen_to(accepted.ok().map(|(stream, _)| stream));
                continue;
            }
            Some(heard) = heard.recv() => heard,
        };
        held = match (heard, held) {
            (Heard::Line(line, read, write), held) => stand.asked(line, (read, write), held).await,
            (Heard::Word(word), Some(held)) if word == CLOSE => stand.close(held).await,
            (Heard::Word(_), Some(held)) => cut(&held),
            (Heard::Word(_), None) => None,
        };
    }
    if let Some(held) = held {
        stand.close(held).await;
    }
    Ok(())
}

/// Whoever gave the volume has gone: whether it may still be written is not known. Nothing more is
/// written or told, and the process ends; the group that it is of starts the next one.
fn cut(held: &Held) -> Option<Held> {
    held.group.settings.last.store(0, Ordering::SeqCst);
    held.log.tell(&messages::serve_owner_gone());
    std::process::exit(EXIT)
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
                drop(tell.send(Heard::Line(line, read, write)).await);
            }
        });
    }

    /// Hears whoever has given the volume, until he is gone.
    fn listen_on(&self, mut read: BufReader<OwnedReadHalf>) {
        let tell = self.tell.clone();
        tokio::spawn(async move {
            loop {
                let word = line(&mut read).await;
                let gone = word.is_empty();
                if tell.send(Heard::Word(word)).await.is_err() || gone {
                    return;
                }
            }
        });
    }

    /// Somebody asks how things stand, or hands a volume over.
    async fn asked(
        &mut self,
        line: String,
        (read, mut write): (BufReader<OwnedReadHalf>, OwnedWriteHalf),
        held: Option<Held>,
    ) -> Option<Held> {
        let words: Vec<&str> = line.split('\t').collect();
        let [OPEN, volume, text] = words.as_slice() else {
            let told = match &held {
                Some(held) => held.desk.told(&line).await,
                None => Told::NotOpen,
            };
            // Who does not read has asked nothing.
            drop(write.write_all(&told.line()).await);
            return held;
        };
        if held.is_some() {
            // It is another's until it is given back.
            drop(say(&mut write, "held").await);
            return held;
        }
        match self.open((volume, text)) {
            Ok((group, hold, log)) => {
                let desk = Desk::new(&self.around, &hold, (&group, &log, self.door.address()));
                let mut now = Held { group, desk, log, master: write };
                // Before anything is answered: who has gone by now is never told of.
                if say(&mut now.master, OPENED).await.is_err() {
                    return cut(&now);
                }
                self.listen_on(read);
                self.door.sign().open(open(&now.group));
                Some(now)
            }
            Err(message) => {
                let line = message.line(self.language);
                eprintln!("{line}");
                drop(say(&mut write, &line).await);
                None
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
        let group = Group::open(claimed, (around, &hold), (&self.ward, &log));
        let group = group.map_err(not_opened)?;
        let (name, node, at) = (&self.around.group, &self.around.node, self.door.address());
        log.tell(&messages::serve_opened(name, node, hold.epoch, at));
        Ok((group, hold, log))
    }

    /// Gives the volume back.
    async fn close(&mut self, held: Held) -> Option<Held> {
        let Held { group, log, mut master, .. } = held;
        let (around, sign) = (self.around.clone(), self.door.sign());
        let ended = tokio::task::spawn_blocking(move || group.hand_over(&around)).await;
        sign.close();
        log.tell(&messages::serve_ended(&self.around.group, &self.around.node));
        if ended.is_ok() {
            // Everything of the volume is closed by now.
            drop(say(&mut master, CLOSED).await);
        }
        None
    }
}

/// A line without its end; empty where there is none any more.
async fn line(from: &mut BufReader<OwnedReadHalf>) -> String {
    let mut line = String::new();
    match from.take(LINE_MOST).read_line(&mut line).await {
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
