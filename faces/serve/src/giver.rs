//! Whoever has handed a volume over, as a daemon that stands by hears him: on a thread of his own,
//! since the core may wait for the disk, and with it all else of the process.
//!
//! Invariant: from his order until he is told that the volume is closed or not taken, the end of
//! his connection ends the process, and nothing is told any more.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tsugi_messages as messages;
use tsugi_service_engine::EXIT;

use crate::log::Log;

/// He wants the volume back.
pub(crate) const CLOSE: &str = "close";
/// He has it back.
pub(crate) const CLOSED: &str = "closed";
/// The longest line, in bytes.
pub(crate) const LINE_MOST: u64 = 64 << 10;
/// How long the log may take to say why the process ends: its disk may be away.
const LAST_WORD: Duration = Duration::from_millis(100);

/// Whoever has handed a volume over.
pub(crate) struct Giver {
    stream: UnixStream,
    at_his_end: Arc<AtHisEnd>,
    wants_it_back: oneshot::Receiver<()>,
}

/// What is cut when his connection ends.
enum Stake {
    /// What he has handed over is being opened.
    Opening,
    /// Until when answers are given, and who is told why they end.
    Open(Arc<AtomicU64>, Log),
    /// Nothing is his any more.
    Nothing,
}

struct AtHisEnd(Mutex<Stake>);

impl AtHisEnd {
    fn set(&self, stake: Stake) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stake;
    }

    /// Whether the volume may still be written is not known. Nothing more is written or told, and
    /// the process ends, unless nothing was his; the group that it is of starts the next one.
    fn cut(&self) {
        let mut stake = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *stake {
            Stake::Nothing => return,
            Stake::Opening => {}
            Stake::Open(last, log) => {
                last.store(0, Ordering::SeqCst);
                let (log, (said, is_said)) = (log.clone(), mpsc::channel());
                let tell = move || {
                    log.tell(&messages::serve_owner_gone());
                    said.send(()).ok();
                };
                if std::thread::Builder::new().spawn(tell).is_ok() {
                    is_said.recv_timeout(LAST_WORD).ok();
                }
            }
        }
        std::process::exit(EXIT)
    }
}

impl Giver {
    /// Hears him from now on.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn hear(read: BufReader<OwnedReadHalf>, write: OwnedWriteHalf) -> io::Result<Self> {
        // What he has said already.
        let first = io::Cursor::new(read.buffer().to_vec());
        let stream = read.into_inner().reunite(write).map_err(io::Error::other)?.into_std()?;
        stream.set_nonblocking(false)?;
        let mut from = io::BufReader::new(first.chain(stream.try_clone()?));
        let at_his_end = Arc::new(AtHisEnd(Mutex::new(Stake::Opening)));
        let (tell, wants_it_back) = oneshot::channel();
        let cuts = at_his_end.clone();
        let hear = move || {
            let mut tell = Some(tell);
            loop {
                let mut line = String::new();
                drop(from.by_ref().take(LINE_MOST).read_line(&mut line));
                if line.strip_suffix('\n') != Some(CLOSE) {
                    return cuts.cut();
                }
                // Who says it again has said it.
                if let Some(tell) = tell.take() {
                    tell.send(()).ok();
                }
            }
        };
        std::thread::Builder::new().name("giver".to_owned()).spawn(hear)?;
        Ok(Self { stream, at_his_end, wants_it_back })
    }

    /// What he has handed over is open.
    pub(crate) fn stands_for(&self, last: &Arc<AtomicU64>, log: &Log) {
        self.at_his_end.set(Stake::Open(last.clone(), log.clone()));
    }

    /// Tells him a line, shorter than what a socket takes at once.
    pub(crate) fn say(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\n").as_bytes())
    }

    /// Waits until he says so, once.
    pub(crate) async fn wants_it_back(&mut self) {
        // His thread ends before that with the process alone.
        (&mut self.wants_it_back).await.ok();
    }

    /// His volume is not taken, for this reason.
    pub(crate) fn refuse(mut self, why: &str) {
        self.at_his_end.set(Stake::Nothing);
        self.end_with(why);
    }

    /// Everything of his volume is closed.
    pub(crate) fn say_closed(&mut self) {
        self.at_his_end.set(Stake::Nothing);
        self.end_with(CLOSED);
    }

    fn end_with(&mut self, line: &str) {
        // Who has gone by now has gone without harm.
        drop(self.say(line));
        drop(self.stream.shutdown(std::net::Shutdown::Write));
    }

    /// As if he had gone.
    pub(crate) fn cut(&self) {
        self.at_his_end.cut();
    }
}
