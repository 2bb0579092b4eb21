//! Lets modules of COBOL find the functions that they call in the worker that the tests start, as
//! `programs/worker/build.rs` does in the one that is shipped.

fn main() {
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../programs/cobol/src/names.list");
    println!("cargo::rerun-if-changed={list}");
    println!("cargo::rustc-link-arg-examples=-Wl,--dynamic-list={list}");
}
