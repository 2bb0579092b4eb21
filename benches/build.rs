//! Lets modules of COBOL find the functions that they call, where this program is their worker.

fn main() {
    let list = std::env::var("DEP_TSUGI_COBOL_LIST").expect("tsugi-cobol is a dependency");
    println!("cargo::rustc-link-arg-bins=-Wl,--dynamic-list={list}");
}
