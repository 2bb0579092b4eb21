//! What is seen of a module before it is loaded.

use std::fs;

use tsugi_cobol::{HANDLER, Module, ModuleRefused};

use crate::child::Bench;

const SOURCE: &str = "identification division.\nprogram-id. SEEN.\nenvironment division.\n\
                      input-output section.\nfile-control.\n    select F assign to \"IN\"\n    \
                      organization sequential.\ndata division.\nfile section.\nfd F.\n\
                      01 R pic x(4).\nprocedure division.\n    open input F.\n    close F.\n    \
                      call \"SYSTEM\" using R.\n    goback.\n";

fn module(options: &[&str]) -> Module {
    let bench = Bench::new();
    bench.compile_with("SEEN", SOURCE, options);
    Module::read(&fs::read(bench.folder().join("SEEN.so")).unwrap()).unwrap()
}

#[test]
fn names_that_a_module_takes_and_gives_are_seen() {
    let module = module(&["-m", "-free", "-fcallfh=tsugi_file_handler"]);
    assert_eq!(module.check(), Ok(()));
    assert!(module.has("SEEN") && !module.has("seen"));
    assert!(module.imports().iter().any(|name| name == HANDLER));
    assert!(module.imports().iter().any(|name| name == "cob_sys_system"));
}

#[test]
fn an_entry_is_seen_by_the_name_that_its_source_gives_it() {
    let bench = Bench::new();
    let source = SOURCE.replace("program-id. SEEN", "program-id. \"seen-too\"");
    bench.compile_with("SEEN", &source, &["-m", "-free", "-o", "SEEN.so"]);
    let module = Module::read(&fs::read(bench.folder().join("SEEN.so")).unwrap()).unwrap();
    assert!(module.has("seen-too") && !module.has("SEEN"));
}

#[test]
fn a_module_of_another_handler_or_none_and_what_is_no_module_are_refused() {
    let direct = module(&["-m", "-free"]).check();
    assert_eq!(direct, Err(ModuleRefused::WithoutHandler("cob_open".to_owned())));
    let other = module(&["-m", "-free", "-fcallfh=EXTFH"]).check();
    assert!(matches!(other, Err(ModuleRefused::WithoutHandler(_))), "{other:?}");
    assert!(matches!(Module::read(b"text"), Err(ModuleRefused::NoLibrary(_))));
    let ours = fs::read("/proc/self/exe").unwrap();
    assert_eq!(Module::read(&ours).unwrap().check(), Err(ModuleRefused::NotCobol));
    let cut = &ours[..ours.len() / 2];
    assert!(matches!(Module::read(cut), Err(ModuleRefused::NoLibrary(_))));
}
