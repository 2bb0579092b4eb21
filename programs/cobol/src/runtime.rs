//! libcob in a process: set up once, then called.
#![expect(unsafe_code, reason = "libcob is set up and called")]

mod entry;
mod opened;
mod parameters;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, io, ptr};

use thiserror::Error;
use tsugi_record::code_page::CodePage;

use crate::ending::Ending;
use crate::files::StaysOpen;
use crate::host::Host;
use crate::libcob::{LIBRARY, Libcob, Unusable, VERSION};
use crate::source::ModuleRefused;
use crate::stage::{self, Ends, Stage, UnitOfWork};
use entry::Entry;
pub use opened::Opened;
use parameters::Guarded;

/// The most parameters of a program. libcob itself hands more than 149 over wrongly.
pub const PARAMETERS_MAX: usize = 128;

/// What is said once in the life of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where modules are that a program calls by name.
    pub modules: PathBuf,
    /// What its programs are compiled for.
    pub code_page: CodePage,
    /// What `gethostname` says: the name of the node.
    pub node: String,
    /// The time zone of the cluster: `Asia/Tokyo`.
    pub time_zone: String,
    /// The locale: `C.UTF-8`.
    pub locale: String,
    /// What COMMIT and ROLLBACK do.
    pub unit_of_work: UnitOfWork,
}

/// Why no program can be run.
#[derive(Debug, Error)]
pub enum Refused {
    /// This process has a runtime already, or had one.
    #[error("libcob can be set up once in a process")]
    Taken,
    /// A name does not lead here: the executable was linked without the list of names.
    #[error("{0} does not lead to the worker: the executable does not export it")]
    Name(&'static str),
    /// GnuCOBOL is not installed.
    #[error("{LIBRARY} cannot be loaded: {0}; install GnuCOBOL {VERSION}x (package gnucobol3)")]
    NoLibcob(String),
    /// It is another version.
    #[error("libcob is version {0}, and its structures are known here of {VERSION}x only")]
    Version(String),
    /// The module is not loaded.
    #[error("{}: {why}", path.display())]
    Module {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        why: ModuleRefused,
    },
    /// The module cannot be read.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The loader does not take it, as where a name is missing.
    #[error("{0}")]
    Load(String),
}

/// A program that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    entry: Entry,
}

/// What a program gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// RETURN-CODE.
    pub return_code: i32,
    /// The parameters as it has left them.
    pub parameters: Vec<Vec<u8>>,
    /// The files that it has left open.
    pub open: Vec<StaysOpen>,
}

/// libcob, set up. It stays on its thread, and is there until the process ends.
#[derive(Debug)]
pub struct Runtime {
    here: PhantomData<*const ()>,
}

static TAKEN: AtomicBool = AtomicBool::new(false);

// SAFETY: both are in every glibc, with these types.
unsafe extern "C" {
    /// Runs a function where the process exits, with the exit code.
    fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    /// What DISPLAY writes to.
    static stdout: *mut libc::FILE;
}

impl Runtime {
    /// Sets libcob up, on the only thread of the process. `ends` is what follows where a program
    /// ends without returning.
    ///
    /// DISPLAY goes to standard output, and ACCEPT reads standard input: the caller has made them
    /// what they are to be.
    ///
    /// # Errors
    /// What is missing in this machine or in this executable.
    pub fn open(settings: &Settings, ends: Ends) -> Result<Self, Refused> {
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Err(Refused::Taken);
        }
        let astray = crate::entry::names().into_iter().find(|(name, here)| leads_to(name) != *here);
        if let Some((name, _)) = astray {
            return Err(Refused::Name(name));
        }
        set_environment(settings);
        crate::entry::node::set(&settings.node);
        let libcob = Libcob::load().map_err(|unusable| match unusable {
            Unusable::Missing(why) => Refused::NoLibcob(why),
            Unusable::Version(version) => Refused::Version(version),
        })?;
        let (init, global, error_proc) = (libcob.init, libcob.global, libcob.error_proc);
        Stage::set(libcob, settings.code_page, settings.unit_of_work, ends);
        let mut arguments = [c"tsugi".as_ptr().cast_mut(), ptr::null_mut()];
        // SAFETY: the thread is the only one; libcob keeps the arguments, which are constant, and
        // the list of them only until it returns.
        unsafe { init(1, arguments.as_mut_ptr()) };
        set_process();
        // The routine takes an installation (0) and where the address of a function is.
        let function: extern "C" fn(*mut c_char) -> c_int = wrong;
        // SAFETY: both live until it returns, the function for as long as the process; libcob is
        // told that it is called with two parameters.
        unsafe {
            (*global()).parameters = 2;
            error_proc((&raw const INSTALL).cast(), (&raw const function).cast());
        }
        Ok(Self { here: PhantomData })
    }

    /// Loads a module and finds an entry of it: of this module, whatever else has the name.
    ///
    /// # Errors
    /// What is wrong with the module.
    pub fn load(&mut self, opened: Opened, entry: &str) -> Result<Program, Refused> {
        Ok(Program { entry: opened.load(entry)? })
    }

    /// Runs a program once. Where it does not return, neither does this: what `ends` says follows.
    ///
    /// # Panics
    /// At more than [`PARAMETERS_MAX`] parameters.
    pub fn call(
        &mut self,
        host: &mut dyn Host,
        program: &Program,
        parameters: Vec<Vec<u8>>,
    ) -> Returned {
        assert!(parameters.len() <= PARAMETERS_MAX, "{} parameters", parameters.len());
        let mut guarded: Vec<_> = parameters.iter().map(|one| Guarded::new(one)).collect();
        let mut places = [ptr::null_mut(); PARAMETERS_MAX];
        for (place, one) in places.iter_mut().zip(&mut guarded) {
            *place = one.place();
        }
        let count = c_int::try_from(guarded.len()).unwrap_or(c_int::MAX);
        let global = functions(|libcob| libcob.global);
        let return_code = stage::lend(host, || {
            // SAFETY: libcob is set up on this thread, so it has its global; it is told what
            // `cob_call` would tell it. The parameters live until the program returns.
            unsafe {
                (*global()).exception = 0;
                (*global()).parameters = count;
                program.entry.call(&places)
            }
        });
        flush();
        if let Some(at) = guarded.iter().position(|one| !one.is_intact()) {
            stage::end(&Ending::Overrun { parameter: at + 1 });
        }
        let open = Stage::look(|stage| stage.files.call_ended()).unwrap_or_default();
        let parameters = guarded.iter().map(|one| one.bytes().to_vec()).collect();
        Returned { return_code, parameters, open }
    }
}

/// What CBL_ERROR_PROC is told: install.
static INSTALL: u8 = 0;

/// Functions of libcob, which is set up.
fn functions<R>(pick: impl FnOnce(&Libcob) -> R) -> R {
    Stage::look(|stage| pick(&stage.libcob)).expect("a runtime has a stage")
}

/// Where the loader finds a name.
fn leads_to(name: &str) -> *const c_void {
    let Ok(name) = CString::new(name) else { return ptr::null() };
    // SAFETY: the name ends with a zero; nothing is called.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// What libcob reads of the environment: nothing but what is said here.
fn set_environment(settings: &Settings) {
    let theirs = |name: &str| name.starts_with("COB_") || name.starts_with("LC_");
    let names: Vec<_> = env::vars_os().map(|(name, _)| name).collect();
    for name in names.iter().filter(|name| name.to_str().is_some_and(theirs)) {
        // SAFETY: this is the only thread of the process.
        unsafe { env::remove_var(name) };
    }
    // SAFETY: as above.
    unsafe {
        env::set_var("TZ", &settings.time_zone);
        env::set_var("LC_ALL", &settings.locale);
        env::set_var("COB_LIBRARY_PATH", &settings.modules);
    }
}

/// Signals end the process as if libcob were not there, lines of DISPLAY are written when they
/// end, and an exit in the middle of a call is told.
fn set_process() {
    use libc::{SIGBUS, SIGFPE, SIGHUP, SIGINT, SIGQUIT, SIGSEGV, SIGTERM};
    for signal in [SIGBUS, SIGFPE, SIGHUP, SIGINT, SIGQUIT, SIGSEGV, SIGTERM] {
        // SAFETY: the default is no function.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: the stream is open, nothing was written to it yet, and the function lives for as
    // long as the process.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::setvbuf(stdout, ptr::null_mut(), libc::_IOLBF, 1024);
        on_exit(exiting, ptr::null_mut());
    }
}

/// Ends the process as `ends` has to: what is registered for its end does not run.
pub fn leave(code: i32) -> ! {
    flush();
    // SAFETY: it takes any number, and runs nothing of this process.
    unsafe { libc::_exit(code) }
}

/// Writes what DISPLAY has left in memory, as a line that is not ended.
pub fn flush() {
    // SAFETY: null is every stream.
    unsafe { libc::fflush(ptr::null_mut()) };
}

/// Something has called `exit`.
extern "C" fn exiting(code: c_int, _: *mut c_void) {
    if stage::is_under_way() {
        let ending = match stage::error() {
            Some(text) => Ending::RunTimeError { text },
            None => Ending::Exited { code },
        };
        stage::end(&ending);
    }
}

/// libcob says what is wrong; what it writes itself goes to the log as well.
extern "C" fn wrong(text: *mut c_char) -> c_int {
    // SAFETY: libcob gives a text that ends with a zero.
    let text = unsafe { CStr::from_ptr(text) };
    stage::note_error(text.to_string_lossy().into_owned());
    1
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    /// The executable of these tests is linked without the list of names.
    #[test]
    fn where_a_name_does_not_lead_here_nothing_is_loaded() {
        let settings = Settings {
            modules: PathBuf::from("/nowhere"),
            code_page: CodePage::Utf8,
            node: "node-1".to_owned(),
            time_zone: "UTC".to_owned(),
            locale: "C".to_owned(),
            unit_of_work: UnitOfWork::Refuse,
        };
        let refused = Runtime::open(&settings, Rc::new(|_| leave(1)));
        assert!(matches!(refused, Err(Refused::Name("cob_open"))), "{refused:?}");
        // A second one is refused whatever became of the first.
        let again = Runtime::open(&settings, Rc::new(|_| leave(1)));
        assert!(matches!(again, Err(Refused::Taken)), "{again:?}");
    }
}
