//! One answer, and the line that is printed of it.

use std::fmt;

/// An answered call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The number the call was given.
    pub number: u64,
    /// The node that answered.
    pub node: String,
    /// The day, as the node said it.
    pub date: String,
    /// The time of day, as the node said it.
    pub time: String,
    /// The program that answered.
    pub program: String,
    /// Which call of ours it was.
    pub serial: u64,
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, node, date, time, program, .. } = self;
        write!(f, "{date} {time} {program} {node} {number:010}")
    }
}

/// Reads a reply to a call of `client`.
pub(super) fn parse(line: &str, client: &str) -> Option<Answered> {
    let words: Vec<&str> = line.split(' ').collect();
    let [number, node, date, time, program, to, serial] = words.as_slice() else { return None };
    if *to != client {
        return None;
    }
    Some(Answered {
        number: number.parse().ok()?,
        node: (*node).into(),
        date: (*date).into(),
        time: (*time).into(),
        program: (*program).into(),
        serial: serial.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_printed_as_date_time_program_node_number() {
        let line = "338 host1 2006-10-04 17:08:59.550 counter c 4";
        let answered = parse(line, "c").unwrap();
        assert_eq!(answered.serial, 4);
        assert_eq!(answered.to_string(), "2006-10-04 17:08:59.550 counter host1 0000000338");
        assert_eq!(parse(line, "d"), None);
        assert_eq!(parse("REFUSED too old c 4", "c"), None);
    }
}
