//! The sample in two parts: a program that is started on every node and listens before the address
//! is there, and a small one of the group that hands it the volume and takes it back.
//!
//! The small one holds a connection to the other for as long as the group is here. Whatever ends
//! it, a stop or the kill at a lease's end, ends that connection, and with it all answers.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::journal::{DEFAULT_KEPT, Durability, Journal};
use crate::server::{Ended, Server, listen_within, signals};
use crate::{CounterError, Doing, epoch_file};

/// How long after a hand-over callers are refused at once, so that they try the next owner.
const REFUSES: Duration = Duration::from_millis(500);
/// How long the address may be another process's.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(5);
const OPEN: &str = "open";
const OPENED: &str = "opened";
pub(crate) const CLOSE: &str = "close";
const CLOSED: &str = "closed";

/// Listen before the address is here, and serve a volume while one is handed over.
#[derive(Clone, Debug, clap::Args)]
pub struct StandbyArgs {
    /// Where callers connect.
    #[arg(long)]
    pub listen: SocketAddr,
    /// The socket at which a volume is handed over.
    #[arg(long)]
    pub control: PathBuf,
}

/// Hand a volume to the program that stands by on this node, until told to stop.
#[derive(Clone, Debug, clap::Args)]
pub struct ActivateArgs {
    /// Its socket.
    #[arg(long)]
    pub control: PathBuf,
    /// The directory that holds the number.
    #[arg(long)]
    pub volume: PathBuf,
    /// The name of this node, part of every reply.
    #[arg(long, env = "TSUGI_NODE")]
    pub node: String,
}

/// Stands by until SIGTERM or SIGINT; `ready` is called once the port is bound.
///
/// # Errors
/// A socket or an address in use; what a volume that was handed over is refused for is only said.
pub fn stand_by(args: &StandbyArgs, ready: impl FnOnce()) -> Result<(), CounterError> {
    let stop = signals()?;
    let control = at(&args.control)?;
    let mut ready = Some(ready);
    loop {
        let listener = listen_within(args.listen, true, PATIENCE)?;
        if let Some(ready) = ready.take() {
            ready();
        }
        if !waits_for(&control, &stop, PollTimeout::NONE)? {
            return Ok(());
        }
        let (master, _) = control.accept().doing(|| "accept".into())?;
        match serve(listener, master) {
            Ok(Ended::Signal) => return Ok(()),
            Ok(Ended::Closed | Ended::Cut) => {}
            // What is on the disk is known only when it is read back, which the next one does.
            Err(error) => eprintln!("{}: {error}", crate::PROGRAM),
        }
        let refuses = PollTimeout::try_from(REFUSES).expect("half a second fits");
        if !waits_for(&control, &stop, refuses)? {
            return Ok(());
        }
    }
}

/// The socket of the program; what a former one left at its place goes.
fn at(path: &Path) -> Result<UnixListener, CounterError> {
    let name = || format!("listen at {}", path.display());
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).doing(name),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path).doing(name)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).doing(name)?;
    Ok(listener)
}

/// Waits for somebody at the socket, for at most so long; false once it was told to stop.
fn waits_for(
    control: &UnixListener,
    stop: &nix::sys::signalfd::SignalFd,
    limit: PollTimeout,
) -> Result<bool, CounterError> {
    let mut both = [
        PollFd::new(control.as_fd(), PollFlags::POLLIN),
        PollFd::new(stop.as_fd(), PollFlags::POLLIN),
    ];
    poll(&mut both, limit).doing(|| "wait for an owner".into())?;
    Ok(!both[1].any().unwrap_or(false))
}

/// Serves the volume that is handed over until it is taken back or whoever gave it has gone.
fn serve(listener: std::net::TcpListener, master: UnixStream) -> Result<Ended, CounterError> {
    let mut line = String::new();
    let clone = master.try_clone().doing(|| "read an order".into())?;
    BufReader::new(clone).read_line(&mut line).doing(|| "read an order".into())?;
    let words: Vec<&str> = line.trim_end().split('\t').collect();
    let [OPEN, volume, epoch, node] = words.as_slice() else {
        return Err(CounterError::Usage(format!("{line:?} hands over nothing")));
    };
    let volume = Path::new(volume);
    epoch_file::claim(volume, epoch_file::parse(epoch)?)?;
    let journal = Journal::open(volume, DEFAULT_KEPT, Durability::Synced)?;
    let mut server = Server::new(listener, journal, (*node).to_owned())?;
    server.held_by(&master)?;
    say(&master, OPENED)?;
    let ended = server.run()?;
    if ended == Ended::Closed {
        // Everything of the volume is closed by now.
        say(&master, CLOSED)?;
    }
    Ok(ended)
}

fn say(mut to: &UnixStream, word: &str) -> Result<(), CounterError> {
    to.write_all(format!("{word}\n").as_bytes()).doing(|| format!("say {word}"))
}

/// Hands the volume over until SIGTERM or SIGINT, and has it given back then; `ready` is called
/// once calls are answered.
///
/// # Errors
/// Nobody stands by, or whoever does refuses the volume or ends.
pub fn activate(args: &ActivateArgs, ready: impl FnOnce()) -> Result<(), CounterError> {
    let stop = signals()?;
    let epoch = std::env::var("TSUGI_EPOCH")
        .map_err(|_| CounterError::Usage("TSUGI_EPOCH is not set".into()))?;
    let program = connect(&args.control)?;
    let volume = args.volume.display();
    say(&program, &format!("{OPEN}\t{volume}\t{epoch}\t{}", args.node))?;
    let mut answers = BufReader::new(program.try_clone().doing(|| "read an answer".into())?);
    expect(&mut answers, OPENED)?;
    ready();
    let mut both = [
        PollFd::new(program.as_fd(), PollFlags::POLLIN),
        PollFd::new(stop.as_fd(), PollFlags::POLLIN),
    ];
    poll(&mut both, PollTimeout::NONE).doing(|| "wait".into())?;
    if both[0].any().unwrap_or(false) {
        return Err(CounterError::Usage("the program that stood by has ended".into()));
    }
    say(&program, CLOSE)?;
    expect(&mut answers, CLOSED)
}

/// Where a node has just started, the program may come a moment later.
fn connect(path: &Path) -> Result<UnixStream, CounterError> {
    let end = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(path) {
            Err(_) if Instant::now() < end => std::thread::sleep(AGAIN),
            done => return done.doing(|| format!("connect to {}", path.display())),
        }
    }
}

fn expect(answers: &mut BufReader<UnixStream>, word: &str) -> Result<(), CounterError> {
    let mut line = String::new();
    answers.read_line(&mut line).doing(|| format!("wait for {word}"))?;
    match line.trim_end() == word {
        true => Ok(()),
        false => Err(CounterError::Usage(format!("the program that stands by refused: {line:?}"))),
    }
}

#[cfg(test)]
#[path = "standby_tests.rs"]
mod tests;
