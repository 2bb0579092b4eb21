//! Words that COBOL has, and functions of the run-time system.

/// Words that begin a statement.
const VERBS: [&str; 58] = [
    "ACCEPT",
    "ADD",
    "ALLOCATE",
    "ALTER",
    "CALL",
    "CANCEL",
    "CHAIN",
    "CLOSE",
    "COMMIT",
    "COMPUTE",
    "CONTINUE",
    "DELETE",
    "DISPLAY",
    "DIVIDE",
    "ELSE",
    "END-CALL",
    "END-IF",
    "END-PERFORM",
    "ENTRY",
    "EVALUATE",
    "EXAMINE",
    "EXEC",
    "EXECUTE",
    "EXHIBIT",
    "EXIT",
    "FREE",
    "GENERATE",
    "GO",
    "GOBACK",
    "IF",
    "INITIALIZE",
    "INITIATE",
    "INSPECT",
    "INVOKE",
    "MERGE",
    "MOVE",
    "MULTIPLY",
    "OPEN",
    "PERFORM",
    "RAISE",
    "READ",
    "READY",
    "RELEASE",
    "RESET",
    "RETURN",
    "REWRITE",
    "ROLLBACK",
    "SEARCH",
    "SET",
    "SORT",
    "START",
    "STOP",
    "STRING",
    "SUBTRACT",
    "TERMINATE",
    "UNLOCK",
    "UNSTRING",
    "WRITE",
];

/// Whether a word begins a statement.
pub(super) fn is_verb(word: &str) -> bool {
    VERBS.contains(&word) || word == "WHEN" || word.starts_with("END-")
}

/// Functions that work with files or folders past the handler.
const FILE_CALLS: [&str; 20] = [
    "CBL_OPEN_FILE",
    "CBL_CREATE_FILE",
    "CBL_READ_FILE",
    "CBL_WRITE_FILE",
    "CBL_CLOSE_FILE",
    "CBL_FLUSH_FILE",
    "CBL_DELETE_FILE",
    "CBL_COPY_FILE",
    "CBL_RENAME_FILE",
    "CBL_CHECK_FILE_EXIST",
    "CBL_CREATE_DIR",
    "CBL_DELETE_DIR",
    "CBL_CHANGE_DIR",
    "CBL_LOCATE_FILE",
    "C$COPY",
    "C$DELETE",
    "C$FILEINFO",
    "C$MAKEDIR",
    "C$CHDIR",
    "EXTFH",
];

/// Functions that run commands.
const SYSTEM_CALLS: [&str; 4] = ["SYSTEM", "C$SYSTEM", "CBL_EXEC_RUN_UNIT", "CBL_OC_FORK"];

/// What a function of the run-time system reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// Files or folders, past the handler.
    Files,
    /// Commands.
    System,
    /// Something else.
    Other,
}

/// What a name that is called is of the run-time system.
pub(super) fn function(name: &str) -> Option<Function> {
    let upper = name.trim_end().to_ascii_uppercase();
    if FILE_CALLS.contains(&upper.as_str()) {
        Some(Function::Files)
    } else if SYSTEM_CALLS.contains(&upper.as_str()) {
        Some(Function::System)
    } else if upper.starts_with("CBL_")
        || upper.starts_with("C$")
        || upper.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_alphabetic())
    {
        Some(Function::Other)
    } else {
        None
    }
}
