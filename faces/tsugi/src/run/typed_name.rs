//! What only a person can vouch for is confirmed by typing the name that it is about.

use std::io::{BufRead as _, stdin};

use tsugi_messages::{self as messages, phrase};

use crate::exit::Exit;
use crate::out::Out;

/// Asks for the name of the node and reads one line; anything else changes nothing.
pub(super) fn of_node(out: &Out, node: &str) -> Result<(), Exit> {
    out.say(&phrase::type_the_name(node));
    let mut line = String::new();
    // An end of input is no name.
    let _nothing = stdin().lock().read_line(&mut line);
    if line.trim() == node {
        return Ok(());
    }
    out.tell(&messages::name_typed_differs(node));
    Err(Exit::Refused)
}
