//! The functions of libcob that lead here: an executable that exports them is found before libcob.
//!
//! What libcob and modules give is believed as its header says: pointers to a file and to fields
//! that live until the function returns, and null where there is no such field.
#![expect(unsafe_code, reason = "functions that libcob and modules call")]

mod file;
pub mod node;

use std::ffi::{c_int, c_uint, c_void};

use tsugi_files::front::Closing;

use crate::ending::{Ending, Forbidden};
use crate::files::Afterwards;
use crate::libcob::{Field, File};
use crate::stage::{self, UnitOfWork};

/// The function that modules name for their files; as long as the names lead here nobody calls it.
type Named = *const c_void;

// SAFETY: here and below: no other function of the executable has the name, and the types are those
// of libcob/common.h.
#[unsafe(no_mangle)]
extern "C" fn cob_open(file: *mut File, mode: c_int, sharing: c_int, status: *mut Field) {
    file::open(file, mode, sharing, status);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_close(file: *mut File, status: *mut Field, option: c_int, cancelled: c_int) {
    let closing = match option {
        1 => Closing::Lock,
        2 => Closing::NoRewind,
        3 | 4 => Closing::Unit,
        _ => Closing::Plain,
    };
    let afterwards = if cancelled == 0 { Afterwards::Kept } else { Afterwards::Forgotten };
    file::close(file, status, (option, closing), afterwards);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_start(
    file: *mut File,
    relation: c_int,
    key: *mut Field,
    length: *mut Field,
    status: *mut Field,
) {
    file::start(file, relation, key, length, status);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_read(file: *mut File, key: *mut Field, status: *mut Field, options: c_int) {
    if key.is_null() {
        file::read_next(file, status, options);
    } else {
        file::read(file, key, status, options);
    }
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_read_next(file: *mut File, status: *mut Field, options: c_int) {
    file::read_next(file, status, options);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_write(
    file: *mut File,
    record: *mut Field,
    options: c_int,
    status: *mut Field,
    end_of_page: c_uint,
) {
    file::write(file, record, options, status, end_of_page);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_rewrite(file: *mut File, record: *mut Field, options: c_int, status: *mut Field) {
    file::rewrite(file, record, options, status);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_delete(file: *mut File, status: *mut Field) {
    file::delete(file, status);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_delete_file(file: *mut File, status: *mut Field) {
    file::delete_file(file, status);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_unlock_file(file: *mut File, status: *mut Field) {
    file::unlock(file, status);
}

// What a module calls that was compiled for a file handler: the same, with the handler before it.

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_extfh_open(
    _: Named,
    file: *mut File,
    mode: c_int,
    sharing: c_int,
    status: *mut Field,
) {
    cob_open(file, mode, sharing, status);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_extfh_close(
    _: Named,
    file: *mut File,
    status: *mut Field,
    option: c_int,
    cancelled: c_int,
) {
    cob_close(file, status, option, cancelled);
}

// SAFETY: as above. It has six parameters in libcob as well.
#[unsafe(no_mangle)]
extern "C" fn cob_extfh_start(
    _: Named,
    file: *mut File,
    relation: c_int,
    key: *mut Field,
    length: *mut Field,
    status: *mut Field,
) {
    cob_start(file, relation, key, length, status);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_extfh_read(
    _: Named,
    file: *mut File,
    key: *mut Field,
    status: *mut Field,
    options: c_int,
) {
    cob_read(file, key, status, options);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_extfh_read_next(_: Named, file: *mut File, status: *mut Field, options: c_int) {
    cob_read_next(file, status, options);
}

// SAFETY: as above. It has six parameters in libcob as well.
#[unsafe(no_mangle)]
extern "C" fn cob_extfh_write(
    _: Named,
    file: *mut File,
    record: *mut Field,
    options: c_int,
    status: *mut Field,
    end_of_page: c_uint,
) {
    cob_write(file, record, options, status, end_of_page);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_extfh_rewrite(
    _: Named,
    file: *mut File,
    record: *mut Field,
    options: c_int,
    status: *mut Field,
) {
    cob_rewrite(file, record, options, status);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_extfh_delete(_: Named, file: *mut File, status: *mut Field) {
    cob_delete(file, status);
}

fn unit_of_work(statement: &'static str) {
    stage::on((), |stage, _| match stage.unit_of_work {
        UnitOfWork::Refuse => stage::refuse(Forbidden::UnitOfWork(statement)),
        UnitOfWork::Ignore => {}
    });
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_commit() {
    unit_of_work("COMMIT");
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_rollback() {
    unit_of_work("ROLLBACK");
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn cob_stop_run(code: c_int) {
    let ending = match stage::error() {
        Some(text) => Ending::RunTimeError { text },
        None => Ending::StopRun { code },
    };
    stage::end(&ending);
}

/// Routines of libcob's system that reach beside the store: whoever calls one ends.
macro_rules! routines {
    ($($function:ident $name:literal)*) => {
        $(
            // SAFETY: as above; what it is called with is not looked at.
            #[unsafe(no_mangle)]
            extern "C" fn $function() -> c_int {
                stage::refuse(Forbidden::Routine($name))
            }
        )*

        const ROUTINES: &[(&str, extern "C" fn() -> c_int)] =
            &[$((stringify!($function), $function),)*];
    };
}

routines! {
    tsugi_file_handler "EXTFH"
    EXTFH "EXTFH"
    cob_sys_extfh "EXTFH"
    cob_sys_system "SYSTEM"
    cob_sys_fork "CBL_GC_FORK"
    cob_sys_waitpid "CBL_GC_WAITPID"
    cob_sys_open_file "CBL_OPEN_FILE"
    cob_sys_create_file "CBL_CREATE_FILE"
    cob_sys_read_file "CBL_READ_FILE"
    cob_sys_write_file "CBL_WRITE_FILE"
    cob_sys_close_file "CBL_CLOSE_FILE"
    cob_sys_flush_file "CBL_FLUSH_FILE"
    cob_sys_delete_file "CBL_DELETE_FILE"
    cob_sys_copy_file "CBL_COPY_FILE"
    cob_sys_check_file_exist "CBL_CHECK_FILE_EXIST"
    cob_sys_rename_file "CBL_RENAME_FILE"
    cob_sys_create_dir "CBL_CREATE_DIR"
    cob_sys_delete_dir "CBL_DELETE_DIR"
    cob_sys_change_dir "CBL_CHANGE_DIR"
    cob_sys_chdir "C$CHDIR"
    cob_sys_mkdir "C$MAKEDIR"
    cob_sys_copyfile "C$COPY"
    cob_sys_file_delete "C$DELETE"
    cob_sys_file_info "C$FILEINFO"
}

/// The names that have to lead here, and where they lead.
pub fn names() -> Vec<(&'static str, *const c_void)> {
    macro_rules! named {
        ($($function:ident)*) => { vec![$((stringify!($function), $function as *const c_void),)*] };
    }
    let mut all = named! {
        cob_open cob_close cob_start cob_read cob_read_next cob_write cob_rewrite cob_delete
        cob_delete_file cob_unlock_file cob_extfh_open cob_extfh_close cob_extfh_start
        cob_extfh_read cob_extfh_read_next cob_extfh_write cob_extfh_rewrite cob_extfh_delete
        cob_commit cob_rollback cob_stop_run
    };
    all.push(("gethostname", node::gethostname as *const c_void));
    all.extend(ROUTINES.iter().map(|(name, function)| (*name, *function as *const c_void)));
    all.extend(crate::interface::names());
    all
}
