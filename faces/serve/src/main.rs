//! The daemon and its workers alone, without the rest of the one binary: `tsugi-serve …`, and
//! `tsugi-serve worker …` for what it starts itself.

use std::process::ExitCode;

use tsugi_messages::Language;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if words.first().is_some_and(|word| word == "worker") {
        let words = words.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
        return tsugi_worker::run(words, &[tsugi_worker::COBOL, tsugi_worker::LIBRARY]);
    }
    tsugi_serve::run(&words, Language::here(None, None).unwrap_or_default())
}
