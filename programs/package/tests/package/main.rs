//! Packages: what is written is read again, what is not as it says is refused, and a death after
//! any step of a deployment leaves all or nothing.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archives;
mod belonging;
mod compiled;
mod deaths;
mod deployments;
mod hostile;
mod imports;
mod interfaces;
mod manifests;
mod shelves;
mod sources;
mod volume;

use std::collections::BTreeMap;
use std::path::Path;

use tsugi_package::archive::{Content, Draft, Examined, examine};
use tsugi_package::manifest::{
    Data, Duplicates, Effects, FORMAT, File, Form, Key, Manifest, Order, Organization, PartPath,
    Piece, Program, Quotas, Service,
};
use tsugi_package::{Refused, Trouble};

fn path(text: &str) -> PartPath {
    PartPath::new(text).unwrap()
}

/// A key of one part.
fn key(name: &str, offset: u32, length: u32) -> Key {
    let parts = vec![Piece { offset, length }];
    Key { name: name.to_owned(), duplicates: Duplicates::Refused, suppressed: None, parts }
}

/// A package with a library, a command, and data for a file.
fn draft() -> Draft {
    let library = Service {
        name: "COUNT".to_owned(),
        program: Program::Library(path("libraries/count.so")),
        interface: None,
        effects: Effects::Store,
        order: Order::None,
        resolve: None,
        quotas: Quotas::default(),
    };
    let command = Service {
        name: "ECHO".to_owned(),
        program: Program::Command(path("commands/echo")),
        interface: None,
        effects: Effects::Store,
        order: Order::None,
        resolve: None,
        quotas: Quotas::default(),
    };
    let manifest = Manifest {
        format: FORMAT,
        name: "srv01".to_owned(),
        tables: None,
        modules: vec![],
        services: vec![library, command],
        files: vec![File {
            name: "APPFILE01".to_owned(),
            organization: Organization::Indexed,
            shortest: 16,
            longest: 16,
            most: None,
            keys: vec![key("RKEY", 0, 6)],
        }],
        data: vec![Data {
            file: "APPFILE01".to_owned(),
            part: path("data/APPFILE01"),
            form: Form::Records,
        }],
        parts: vec![],
    };
    let contents = BTreeMap::from([
        (path("libraries/count.so"), Content::Bytes(b"a library".to_vec())),
        (path("commands/echo"), Content::Bytes(b"#!/bin/sh\ncat\n".to_vec())),
        (path("data/APPFILE01"), Content::Bytes(vec![b' '; 1600])),
    ]);
    Draft { manifest, contents }
}

/// All of a package fits that is as its manifest says.
fn examined(package: &Path) -> Result<Examined, Trouble> {
    examine(package, &mut |_, _, _, _| Ok(()))
}

fn refused(package: &Path) -> Refused {
    match examined(package) {
        Err(Trouble::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    }
}
