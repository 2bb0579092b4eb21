//! The fence agent of the lab's device: options on standard input, one a line, and the exit code
//! is the answer, as for every fence agent.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use super::socket;
use super::word::{Action, Answer, Ask};
use crate::Trouble;

/// Done, or the host has power.
const DONE: u8 = 0;
/// It could not be done.
const FAILED: u8 = 1;
/// The host has no power.
const OFF: u8 = 2;

/// Asks the device what standard input says.
///
/// # Errors
/// When that is not to be read.
pub fn run() -> Result<ExitCode, Trouble> {
    let mut options = String::new();
    io::stdin().read_to_string(&mut options)?;
    let from = nix::unistd::gethostname().map_err(io::Error::from)?;
    let (code, said) = match read(&options, &from.to_string_lossy()) {
        Ok(ask) => match send(&ask) {
            Ok(answer) => (code(ask.action, &answer), answer_in_words(&answer)),
            Err(error) => (FAILED, format!("the device does not answer: {error}")),
        },
        Err(wrong) => (FAILED, wrong),
    };
    println!("{said}");
    Ok(ExitCode::from(code))
}

/// What the options ask for. What this agent does not know is somebody else's.
fn read(options: &str, from: &str) -> Result<Ask, String> {
    let of = |name: &str| {
        let mut all = options.lines().filter_map(|line| line.split_once('='));
        all.rfind(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let action = match of("action").as_deref() {
        Some("off") => Action::Off,
        Some("status" | "monitor") => Action::Status,
        Some(other) => return Err(format!("this device cannot do {other:?}")),
        None => return Err("no action".to_owned()),
    };
    Ok(Ask {
        action,
        plug: of("plug").ok_or("no plug")?,
        password: of("password").or_else(|| of("passwd")).ok_or("no password")?,
        from: from.to_owned(),
    })
}

fn send(ask: &Ask) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket())?;
    let line = serde_json::to_string(ask).expect("plain data is always JSON");
    writeln!(stream, "{line}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    serde_json::from_str(&answer).map_err(io::Error::other)
}

fn code(asked: Action, answer: &Answer) -> u8 {
    match (asked, answer) {
        (Action::Status, Answer::On) | (Action::Off, Answer::Done) => DONE,
        (Action::Status, Answer::Off) => OFF,
        (_, Answer::Refused(_))
        | (Action::Status, Answer::Done)
        | (Action::Off, Answer::On | Answer::Off) => FAILED,
    }
}

fn answer_in_words(answer: &Answer) -> String {
    match answer {
        Answer::On => "on".to_owned(),
        Answer::Off => "off".to_owned(),
        Answer::Done => "done".to_owned(),
        Answer::Refused(why) => why.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_the_api_are_read_and_what_is_unknown_is_left() {
        let given = "plug=n1\nrack=7\nnodename=n1\naction=off\npasswd=a=b\npassword=a=b\n";
        let ask = read(given, "n2").unwrap();
        assert_eq!((ask.action, ask.plug.as_str(), ask.from.as_str()), (Action::Off, "n1", "n2"));
        assert_eq!(ask.password, "a=b");
        let monitor = read("action=monitor\nplug=n1\npassword=x\n", "n2").unwrap();
        assert_eq!(monitor.action, Action::Status);
        assert!(read("action=on\nplug=n1\npassword=x\n", "n2").unwrap_err().contains("on"));
        for missing in ["plug=n1\npassword=x\n", "action=off\npassword=x\n", "action=off\nplug=n1"]
        {
            assert!(read(missing, "n2").is_err(), "{missing}");
        }
    }

    #[test]
    fn only_the_answer_that_fits_the_question_says_anything() {
        assert_eq!(code(Action::Off, &Answer::Done), DONE);
        assert_eq!(code(Action::Status, &Answer::On), DONE);
        assert_eq!(code(Action::Status, &Answer::Off), OFF);
        assert_eq!(code(Action::Off, &Answer::Off), FAILED);
        assert_eq!(code(Action::Status, &Answer::Refused("no".to_owned())), FAILED);
    }
}
