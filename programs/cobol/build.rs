//! Lets the linker export what modules find by name: in the tests of this room by itself, in a
//! binary by its own build script, which is told the list as `DEP_TSUGI_COBOL_LIST`.

fn main() {
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/src/names.list");
    println!("cargo::rerun-if-changed={list}");
    println!("cargo::rustc-link-arg-tests=-Wl,--dynamic-list={list}");
    println!("cargo::metadata=list={list}");
}
