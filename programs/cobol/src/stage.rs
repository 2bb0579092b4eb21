//! What the functions that libcob calls stand on: of a thread, because libcob has one.
#![expect(unsafe_code, reason = "a host that is lent for the time of one call")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::ptr::NonNull;
use std::rc::Rc;

use tsugi_record::code_page::CodePage;

use crate::ending::{Ending, Forbidden};
use crate::files::Files;
use crate::host::Host;
use crate::libcob::Libcob;
use crate::runtime::{flush, leave};

/// Says to the engine how a program has ended, and ends the process: it runs nothing of what is
/// registered for the end of one, because libcob would go on there.
pub type Ends = Rc<dyn Fn(&Ending) -> Infallible>;

/// What COMMIT and ROLLBACK do in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UnitOfWork {
    /// They end it abnormally.
    #[default]
    Refuse,
    /// Nothing, as where there is nothing but locks: the call goes on.
    Ignore,
}

/// All that is held between two functions that libcob calls.
pub struct Stage {
    pub libcob: Libcob,
    pub files: Files,
    pub code_page: CodePage,
    pub unit_of_work: UnitOfWork,
    host: Option<NonNull<dyn Host>>,
}

thread_local! {
    // None of them is dropped: the process exits in the middle of a call, and what is registered
    // for its end runs when a thread's own data that has to be dropped is gone.
    static STAGE: RefCell<Option<&'static mut Stage>> = const { RefCell::new(None) };
    static ENDS: Cell<Option<&'static Ends>> = const { Cell::new(None) };
    /// What libcob said of an error; it stops the run next.
    static ERROR: Cell<Option<&'static str>> = const { Cell::new(None) };
    /// The process that a call is under way in.
    static UNDER_WAY: Cell<Option<u32>> = const { Cell::new(None) };
}

impl Stage {
    /// Of this thread, which has none yet.
    pub fn set(libcob: Libcob, code_page: CodePage, unit_of_work: UnitOfWork, ends: Ends) {
        let stage = Self { libcob, files: Files::default(), code_page, unit_of_work, host: None };
        STAGE.with_borrow_mut(|held| *held = Some(Box::leak(Box::new(stage))));
        ENDS.set(Some(Box::leak(Box::new(ends))));
    }

    /// Looks at it, where there is no call under way.
    pub fn look<R>(look: impl FnOnce(&mut Stage) -> R) -> Option<R> {
        STAGE.with_borrow_mut(|held| held.as_deref_mut().map(look))
    }
}

/// Lends the host while `call` runs.
pub fn lend<R>(host: &mut dyn Host, call: impl FnOnce() -> R) -> R {
    let host = NonNull::from(host);
    // SAFETY: only the lifetime changes. The pointer is taken away again before this returns, and
    // nobody but `on` makes a reference of it.
    let host: NonNull<dyn Host + 'static> = unsafe { std::mem::transmute(host) };
    Stage::look(|stage| stage.host = Some(host));
    UNDER_WAY.set(Some(process::id()));
    let result = call();
    leave_if_forked();
    UNDER_WAY.set(None);
    Stage::look(|stage| stage.host = None);
    result
}

/// A program that has forked is two, and only the first may ask: the other ends here, unheard.
fn leave_if_forked() {
    if UNDER_WAY.get().is_some_and(|process| process != process::id()) {
        leave(1);
    }
}

/// What a function that libcob calls does. Outside of a call, as where the process ends, it does
/// nothing and gives `idle`.
pub fn on<R>(idle: R, act: impl FnOnce(&mut Stage, &mut dyn Host) -> R) -> R {
    leave_if_forked();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        STAGE.with_borrow_mut(|held| {
            let Some(stage) = held else { return idle };
            let Some(mut host) = stage.host else { return idle };
            // SAFETY: `lend` holds the host for as long as the pointer is here, and the borrow of
            // the stage keeps a second reference from being made.
            let host = unsafe { host.as_mut() };
            act(stage, host)
        })
    }));
    // Nothing unwinds into libcob.
    caught.unwrap_or_else(|panic| end(&Ending::Panicked { text: said(&*panic) }))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

/// The program has ended without returning.
pub fn end(ending: &Ending) -> ! {
    leave_if_forked();
    // What follows may end the process at once, and it is told to have ended after this.
    flush();
    match ENDS.get() {
        Some(ends) => match ends(ending) {},
        None => process::abort(),
    }
}

/// It has asked for what a call may not do.
pub fn refuse(what: Forbidden) -> ! {
    end(&Ending::Refused(what))
}

/// libcob says what is wrong.
pub fn note_error(text: String) {
    ERROR.set(Some(text.leak()));
}

/// Whether libcob has said what is wrong, and what.
pub fn error() -> Option<String> {
    ERROR.take().map(str::to_owned)
}

/// Whether a call is under way on this thread; other threads of a program have none.
pub fn is_under_way() -> bool {
    UNDER_WAY.get().is_some()
}
