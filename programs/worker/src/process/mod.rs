//! The life of a worker, from inside.
#![expect(unsafe_code, reason = "signals, and the output of C, are the process's")]

pub mod cobol;
pub mod host;
pub mod library;
pub mod link;
mod owned;
pub mod program;
mod rows;
mod table;

use std::fs::{self, File};
use std::io;
use std::os::fd::FromRawFd;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::parent_id;
use std::process::ExitCode;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::prctl::set_dumpable;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{dup2_stdin, dup2_stdout, geteuid};
use tsugi_cobol::UnitOfWork;
use tsugi_frames::limits::TEXT;
use tsugi_frames::{
    CAN_AHEAD, Class, Done, Failed, Frame, Hello, Ready, TooLarge, Turn, Versions, Wrong,
};

use cobol::Modules;
use host::Host;
use library::SharedLibrary;
use link::{Link, Over};
use owned::cut;
use program::{Ended, Kind, Unopened};

/// A kind of program, by the word that names it on the command line, and how it is made of the
/// words behind that.
pub type Kinds = (&'static str, fn(&[String]) -> Result<Box<dyn Kind>, Unopened>);

/// Shared libraries: `library PATH`.
pub const LIBRARY: Kinds = ("library", |words| match words {
    [path] => Ok(Box::new(SharedLibrary::new(path.into()))),
    _ => Err(Unopened::start("a library is named by one path")),
});

/// Modules of GnuCOBOL: `cobol FOLDER`, or `cobol FOLDER ignore` where COMMIT and ROLLBACK do
/// nothing.
pub const COBOL: Kinds = ("cobol", |words| match words {
    [folder] => Ok(Box::new(Modules::new(folder.into(), UnitOfWork::Refuse))),
    [folder, word] if word == "ignore" => {
        Ok(Box::new(Modules::new(folder.into(), UnitOfWork::Ignore)))
    }
    _ => Err(Unopened::start("modules are named by one folder")),
});

/// The whole life of a worker: it talks frames over its standard input and output, which its
/// program does not see, and holds what its command line says.
#[must_use]
pub fn run(words: impl Iterator<Item = String>, kinds: &[Kinds]) -> ExitCode {
    let words: Vec<String> = words.collect();
    let mut link = match hide().and_then(|()| streams()) {
        Ok((from, to)) => Link::new(from, to),
        Err(error) => {
            eprintln!("the worker cannot take its streams: {error}");
            return ExitCode::from(74);
        }
    };
    let made = match words.split_first() {
        None => Err(Unopened::start("the worker is not told what to hold")),
        Some((word, rest)) => match kinds.iter().find(|(name, _)| name == word) {
            Some((_, make)) => make(rest),
            None => Err(Unopened::start(format!("the worker holds no {word}"))),
        },
    };
    let over = match made {
        Ok(kind) => serve(kind, &mut link),
        Err(why) => refuse(why, &mut link),
    };
    match over {
        Ok(()) => ExitCode::SUCCESS,
        // What the program has registered for its exit is not run, because it could hang.
        // SAFETY: ends this process at once, and nothing of it is used any more.
        Err(over) => unsafe { libc::_exit(over.exit_code()) },
    }
}

/// Says hello, opens what it holds, and runs call by call until it is to leave.
///
/// # Errors
/// There is nobody to talk with any more.
pub fn serve(kind: Box<dyn Kind>, link: &mut Link) -> Result<(), Over> {
    let said = kind.introduction();
    link.say(&Frame::Hello(Hello {
        versions: Versions::CURRENT,
        pid: std::process::id(),
        runs: said.runs,
        libcob: said.libcob.into(),
        can: CAN_AHEAD,
        modules: said.modules,
    }))?;
    let welcome = link.welcome()?;
    let last_word = link.last_word().map_err(Over::Failed)?;
    let mut program = match kind.open(&welcome, last_word) {
        Ok(program) => program,
        Err(why) => return refuse(why, link),
    };
    link.say(&Frame::Ready(Ready {}))?;
    while let Some(begun) = link.begun()? {
        link.runs(begun.turn);
        let mut host = Host::new(link, &welcome, &begun);
        let ended = program.call(&mut host);
        let operations = host.unsent();
        // Before anything is flushed: what stood in the buffer is the first one's to print.
        link.leave_if_forked();
        flush();
        link.runs(Turn::NONE);
        let turn = begun.turn;
        match ended {
            Ended::Done { reply, open } => {
                done(link, Done { turn, operations, replies: vec![reply], open })?;
            }
            Ended::Aborted { code, why } => fail(link, turn, Class::Abort, (code, &why))?,
            Ended::Broken { class, code, text } => {
                return break_off(link, turn, class, (code, &text));
            }
        }
    }
    program.leave();
    Ok(())
}

/// What C prints to.
fn printed() -> *mut libc::FILE {
    // SAFETY: the type is the C library's.
    unsafe extern "C" {
        static stdout: *mut libc::FILE;
    }
    // SAFETY: it is the C library's, set before anything of ours runs.
    unsafe { stdout }
}

/// What is printed is seen by the line, as on a terminal: also the last one before a crash.
fn print_by_lines() {
    // SAFETY: nothing was printed yet, and the buffer is the library's own.
    unsafe { libc::setvbuf(printed(), std::ptr::null_mut(), libc::_IOLBF, 0) };
}

/// What a call has printed is out before its end is told, also half a line. Only what it prints
/// to: a stream of the program's own may be held by a thread that waits.
fn flush() {
    // SAFETY: the stream is open as long as the process is.
    unsafe { libc::fflush(printed()) };
}

/// Tells the end of a call in order; what is too large for that was not one.
fn done(link: &mut Link, done: Done<'_>) -> Result<(), Over> {
    let turn = done.turn;
    match link.say(&Frame::Done(done)) {
        Err(Over::Wrong(Wrong::TooLarge(TooLarge { limit, size, most }))) => {
            let text = format!("{limit:?}: {size}, at most {most}");
            break_off(link, turn, Class::Overrun, (0, &text))
        }
        said => said,
    }
}

/// Says why nothing can be run, and waits to be killed.
fn refuse(why: Unopened, link: &mut Link) -> Result<(), Over> {
    fail(link, Turn::NONE, why.class, (0, &why.text))?;
    Err(wait(link))
}

/// Says why a call cannot go on, and waits to be killed: nothing more is run in this process.
fn break_off(link: &mut Link, turn: Turn, class: Class, why: (i32, &str)) -> Result<(), Over> {
    fail(link, turn, class, why)?;
    Err(wait(link))
}

fn fail(link: &mut Link, turn: Turn, class: Class, (code, text): (i32, &str)) -> Result<(), Over> {
    let text = cut(text, TEXT).into();
    link.say(&Frame::Failed(Failed { turn, class, code, text }))
}

fn wait(link: &mut Link) -> Over {
    match link.wait_for_the_end() {
        Ok(()) => Over::Closed,
        Err(error) => Over::Failed(error),
    }
}

/// Other workers of the same user read neither its memory nor its streams. What a starter of the
/// same user has started, it finds by what it reads of it: from that one nothing is hidden.
fn hide() -> io::Result<()> {
    let status = fs::read_to_string(format!("/proc/{}/status", parent_id())).unwrap_or_default();
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let effective = users.and_then(|users| users.split_whitespace().nth(1)?.parse::<u32>().ok());
    if effective == Some(geteuid().as_raw()) {
        return Ok(());
    }
    Ok(set_dumpable(false)?)
}

/// Takes the frames' streams out of the program's sight: it reads nothing, prints to where its
/// errors go, and hands neither to a process that it starts.
fn streams() -> io::Result<(File, File)> {
    // SAFETY: who started this process has given it the three streams, open.
    let given = |number| unsafe { BorrowedFd::borrow_raw(number) };
    let (from, to) = (high(given(0))?, high(given(1))?);
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(given(2))?;
    print_by_lines();
    // Without an engine a worker has nothing more to do, not even to say so.
    // SAFETY: SIG_DFL is no function of ours that could be called at a bad time.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }?;
    Ok((from.into(), to.into()))
}

/// The same stream by a number that no program guesses by counting.
fn high(stream: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    const ABOVE: i32 = 100;
    let number = fcntl(stream, FcntlArg::F_DUPFD_CLOEXEC(ABOVE))?;
    debug_assert_ne!(number, stream.as_raw_fd());
    // SAFETY: the kernel has just made it for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
