//! Parts that do not belong together, though every hash is right.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use tsugi_package::archive::{Content, Draft};
use tsugi_package::fit::examine;
use tsugi_package::import::import;
use tsugi_package::interface::Why;
use tsugi_package::manifest::{
    Commits, Dialect, Effects, Manifest, Order, Program, Quotas, Service,
};
use tsugi_package::module::NoModule;
use tsugi_package::refused::Named;
use tsugi_package::{Refused, Trouble};

use super::compiled::{
    counting, edited, elsewhere, imported, of_report, program, report, request, written,
};
use super::path;

fn package(draft: &Draft) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("srv01");
    draft.write(&to).unwrap();
    (folder, to)
}

fn unfit(draft: &Draft) -> Refused {
    let (_folder, to) = package(draft);
    match examine(&to) {
        Err(Trouble::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

fn put(draft: &mut Draft, part: &str, bytes: &[u8]) {
    let known = draft.contents.insert(path(part), Content::Bytes(bytes.to_vec()));
    assert!(known.is_some(), "{part}");
}

const MODULE: &str = "modules/CBLAPP01.so";
const SOURCE: &str = "sources/CBLAPP01.cbl";
const INTERFACE: &str = "interfaces/CBLAPP01.toml";

#[test]
fn the_package_of_the_report_fits() {
    let module = counting();
    let interface = edited(&module);
    let draft = report(&[module], &interface);
    let (_folder, to) = package(&draft);
    let examined = examine(&to).unwrap();
    let parts: Vec<_> = examined.manifest.parts.iter().map(|part| part.path.as_str()).collect();
    assert_eq!(parts, ["data/APPFILE01", INTERFACE, MODULE, SOURCE]);
    // A module cannot need a file that the package does not declare.
    let mut changed = draft;
    changed.manifest.modules[0].needs.push("APPFILE02".to_owned());
    let found = changed.write(&to);
    let (by, name) = ("CBLAPP01".to_owned(), "APPFILE02".to_owned());
    let Err(Trouble::Refused(found)) = found else { panic!("{found:?}") };
    assert_eq!(found, Refused::NoSuch { by, name });
}

#[test]
fn a_module_of_another_source_or_of_other_options_is_refused() {
    let module = counting();
    let draft = report(std::slice::from_ref(&module), &edited(&module));
    // The same program with another parameter: every name in the module is right.
    let text = fs::read_to_string(of_report("CBLAPP01.cbl")).unwrap();
    let other = text.replace("LK-COUNTER PIC 9(10)", "LK-COUNTER PIC 9(12)");
    let other = import(&request(&written("CBLAPP01.cbl", other).path)).unwrap();
    let mut changed = draft.clone();
    put(&mut changed, MODULE, &other.object);
    let sealed = |found: Refused| {
        let Refused::Module { entry, why: NoModule::OtherSource { found } } = found else {
            panic!("{found:?}")
        };
        assert_eq!(entry, "CBLAPP01");
        found
    };
    assert_eq!(sealed(unfit(&changed)).len(), 64);
    // Its source is changed and not compiled.
    let mut changed = draft.clone();
    put(&mut changed, SOURCE, &other.source);
    sealed(unfit(&changed));
    // The manifest says other options.
    let mut changed = draft.clone();
    changed.manifest.modules[0].dialect = Dialect::Ibm;
    sealed(unfit(&changed));
    let mut changed = draft.clone();
    changed.manifest.modules[0].commits = Commits::Nothing;
    sealed(unfit(&changed));
    // With all three changed it is another package, whose interface is not this one.
    let mut changed = draft.clone();
    put(&mut changed, MODULE, &other.object);
    put(&mut changed, SOURCE, &other.source);
    let Refused::Interface { service, why } = unfit(&changed) else { panic!("it fits") };
    assert_eq!((service.as_str(), why.item.as_deref()), ("CBLAPP01", Some("LK-COUNTER")));
    let (expected, found) = ("9(12)".to_owned(), "9(10)".to_owned());
    assert_eq!(why.why, Why::Differs { expected, found });
}

#[test]
fn a_module_that_was_ready_made_is_refused() {
    let module = counting();
    let draft = report(std::slice::from_ref(&module), &edited(&module));
    let text = fs::read_to_string(of_report("CBLAPP01.cbl")).unwrap();
    let mut changed = draft.clone();
    put(&mut changed, MODULE, &elsewhere("CBLAPP01", &text, &[]));
    let found = unfit(&changed);
    assert!(
        matches!(found, Refused::Module { why: NoModule::WithoutHandler { .. }, .. }),
        "{found:?}"
    );
    put(&mut changed, MODULE, b"a module");
    let found = unfit(&changed);
    assert!(matches!(found, Refused::Module { why: NoModule::NoObject { .. }, .. }), "{found:?}");
    // Another entry of the same module.
    let mut changed = draft;
    changed.manifest.modules[0].entry = "CBLAPP02".to_owned();
    changed.manifest.services[0].program = Program::Cobol("CBLAPP02".to_owned());
    let found = unfit(&changed);
    let why = NoModule::NoEntry { entry: "CBLAPP02".to_owned() };
    assert_eq!(found, Refused::Module { entry: "CBLAPP02".to_owned(), why });
}

#[test]
fn an_interface_or_a_source_that_is_none_is_refused() {
    let module = counting();
    let draft = report(std::slice::from_ref(&module), &edited(&module));
    for (text, line) in [(&b"\xff\xfe"[..], 0), (b"format = 1\nentry = ", 2), (b"", 1)] {
        let mut changed = draft.clone();
        put(&mut changed, INTERFACE, text);
        let Refused::Interface { why, .. } = unfit(&changed) else { panic!("it fits") };
        assert!(matches!(why.why, Why::Unread { .. }), "{why:?}");
        assert_eq!(why.line, line, "{why:?}");
    }
    let mut changed = draft.clone();
    put(&mut changed, SOURCE, b"\xff\xfe");
    assert!(matches!(unfit(&changed), Refused::Module { .. } | Refused::Source { .. }));
}

#[test]
fn cobol_has_an_interface_and_others_may_have_one() {
    let module = counting();
    let mut draft = report(std::slice::from_ref(&module), &edited(&module));
    draft.manifest.services.push(Service {
        name: "ECHO".to_owned(),
        program: Program::Command(path("commands/echo")),
        interface: Some(path(INTERFACE)),
        effects: Effects::Store,
        order: Order::None,
        resolve: None,
        quotas: Quotas::default(),
    });
    draft.contents.insert(path("commands/echo"), Content::Bytes(b"#!/bin/sh\n".to_vec()));
    // It is about another program.
    let Refused::Interface { service, why } = unfit(&draft) else { panic!("it fits") };
    let (expected, found) = ("ECHO".to_owned(), "CBLAPP01".to_owned());
    assert_eq!((service.as_str(), why.why), ("ECHO", Why::Entry { expected, found }));
    draft.manifest.services[1].interface = None;
    let (_folder, to) = package(&draft);
    examine(&to).unwrap();
    draft.manifest.services[0].interface = None;
    draft.contents.remove(&path(INTERFACE));
    assert_eq!(unfit(&draft), Refused::WithInterface { service: "CBLAPP01".to_owned() });
}

#[test]
fn a_service_cannot_have_more_than_there_is_or_nothing() {
    let (module, quotas) = (counting(), Quotas::default());
    let draft = report(std::slice::from_ref(&module), &edited(&module));
    assert!(!draft.manifest.written().contains("quotas"), "what is not said is not written");
    for (quotas, quota, found) in [
        (Quotas { workers: Some(0), ..quotas }, "workers", 0),
        (Quotas { workers: Some(65), ..quotas }, "workers", 65),
        (Quotas { call_ms: Some(0), ..quotas }, "call_ms", 0),
        (Quotas { memory_mib: Some(15), ..quotas }, "memory_mib", 15),
    ] {
        let mut draft = draft.clone();
        draft.manifest.services[0].quotas = quotas;
        let folder = tempfile::tempdir().unwrap();
        let refused = draft.write(&folder.path().join("srv01")).unwrap_err();
        let (service, quota) = ("CBLAPP01".to_owned(), quota.to_owned());
        let expected = Refused::Quota { service, quota, found };
        assert!(matches!(&refused, Trouble::Refused(why) if *why == expected), "{refused:?}");
    }
    let mut draft = draft;
    draft.manifest.services[0].quotas = Quotas { workers: Some(2), call_ms: Some(9), ..quotas };
    let (_folder, to) = package(&draft);
    let read = examine(&to).unwrap().manifest.services[0].quotas;
    assert_eq!(read, draft.manifest.services[0].quotas);
}

#[test]
fn where_a_service_acts_and_its_order_stand_in_its_manifest() {
    let module = counting();
    let draft = report(std::slice::from_ref(&module), &edited(&module));
    // What was written before anybody could say it is read as what is usual.
    let usual = draft.manifest.written();
    assert!(!usual.contains("effects") && !usual.contains("order"), "{usual}");
    let (_folder, to) = package(&draft);
    let read = &examine(&to).unwrap().manifest.services[0];
    assert_eq!((read.effects, read.order), (Effects::Store, Order::None));
    for (effects, order) in [
        (Effects::Outside, Order::None),
        (Effects::Outside, Order::Told),
        (Effects::Store, Order::Told),
        (Effects::Reads, Order::None),
    ] {
        let mut draft = draft.clone();
        (draft.manifest.services[0].effects, draft.manifest.services[0].order) = (effects, order);
        let (_folder, to) = package(&draft);
        let read = examine(&to).unwrap().manifest.services[0].clone();
        assert_eq!((read.effects, read.order), (effects, order));
    }
    let mut draft = draft;
    draft.manifest.services[0].effects = Effects::Reads;
    draft.manifest.services[0].order = Order::Told;
    let folder = tempfile::tempdir().unwrap();
    let refused = draft.write(&folder.path().join("srv01")).unwrap_err();
    let expected = Refused::OrderOfReads { service: "CBLAPP01".to_owned() };
    assert!(matches!(&refused, Trouble::Refused(why) if *why == expected), "{refused:?}");
}

#[test]
fn only_what_acts_outside_names_who_says_what_became_of_its_calls_and_that_one_only_reads() {
    let module = counting();
    let draft = report(std::slice::from_ref(&module), &edited(&module));
    let naming = |effects, resolver: &str| {
        let mut draft = draft.clone();
        draft.manifest.services[0].effects = effects;
        draft.manifest.services[0].resolve = Some(resolver.to_owned());
        draft
    };
    let (_folder, to) = package(&naming(Effects::Outside, "ASKS"));
    let read = examine(&to).unwrap().manifest.services[0].clone();
    assert_eq!(read.resolve.as_deref(), Some("ASKS"), "of another package");
    for (effects, resolver) in [
        (Effects::Store, "ASKS"),
        (Effects::Reads, "ASKS"),
        (Effects::Outside, "CBLAPP01"),
        (Effects::Outside, "no name"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let refused = naming(effects, resolver).write(&folder.path().join("srv01")).unwrap_err();
        let (service, resolver) = ("CBLAPP01".to_owned(), resolver.to_owned());
        let expected = Refused::Resolver { service, resolver };
        assert!(matches!(&refused, Trouble::Refused(why) if *why == expected), "{refused:?}");
    }
}

#[test]
fn a_manifest_with_another_word_is_refused_at_its_line_with_the_word() {
    let module = counting();
    let mut draft = report(std::slice::from_ref(&module), &edited(&module));
    draft.manifest.services[0].effects = Effects::Outside;
    draft.manifest.services[0].order = Order::Told;
    let written = draft.manifest.written();
    for (says, other, why) in [
        ("effects = \"outside\"", "effects = \"sometimes\"", "unknown variant `sometimes`"),
        ("order = \"told\"", "order = \"by-name\"", "unknown variant `by-name`"),
        ("order = \"told\"", "order = true", "wanted string"),
    ] {
        assert!(written.contains(says), "{written}");
        let line = written.lines().position(|line| line == says).unwrap() + 1;
        let refused = Manifest::read(written.replace(says, other).as_bytes()).unwrap_err();
        let Refused::Manifest { line: at, says } = &refused else { panic!("{refused:?}") };
        assert_eq!(*at, line, "{refused:?}");
        assert!(says.contains(why), "{refused:?}");
    }
}

/// Two programs call the keys of one file by their own names; one calls the other.
#[test]
fn a_module_needs_what_those_need_that_it_calls() {
    use tsugi_package::assembly::{Answered, Assembly, By};
    let caller = |statement: &str| {
        let files = "DATA DIVISION.\nWORKING-STORAGE SECTION.\n01 WN PIC X(8).";
        imported(&program(files, &format!(" {statement}.\n GOBACK."))).unwrap()
    };
    let counts = counting();
    let makes = import(&request(&of_report("INITFILE1.cbl"))).unwrap();
    let mut renamed = makes.clone();
    renamed.files[0].keys[0].name = "OTHER-KEY".to_owned();
    for (statement, needs) in [
        ("CALL \"CBLAPP01\"", &["APPFILE01"][..]),
        ("CALL WN", &["APPFILE01"]),
        ("CALL \"INITFILE1\"", &[]),
        ("CALL \"ELSEWHERE\"", &[]),
    ] {
        let modules = [caller(statement), counts.clone(), renamed.clone()];
        let interface = edited(&modules[0]);
        let by = By::Cobol { entry: "P1", interface: &interface };
        let (effects, order, quotas) = Default::default();
        let services = &[Answered { name: "P1", by, effects, order, quotas }];
        let assembly =
            Assembly { name: "srv01", modules: &modules, services, data: &[], tables: None };
        let manifest = assembly.draft().unwrap().manifest;
        assert_eq!(manifest.modules[0].needs, needs, "{statement}");
        assert_eq!(manifest.modules[1].needs, ["APPFILE01"]);
        assert!(manifest.modules[2].needs.is_empty());
        assert_eq!(manifest.files.len(), 1);
    }
}

#[test]
fn what_cannot_be_put_together_is_refused_before_it_is_written() {
    use tsugi_package::assembly::{Answered, Assembly, By};
    use tsugi_package::manifest::Organization;
    let module = counting();
    let interface = edited(&module);
    let draft = |modules: &[_], name: &str, entry: &str, interface: &str| {
        let by = By::Cobol { entry, interface };
        let (effects, order, quotas) = Default::default();
        let services = &[Answered { name, by, effects, order, quotas }];
        Assembly { name: "srv01", modules, services, data: &[], tables: None }.draft().unwrap_err()
    };
    let found = draft(std::slice::from_ref(&module), "CBLAPP01", "CBLAPP02", &interface);
    let (by, name) = ("CBLAPP01".to_owned(), "CBLAPP02".to_owned());
    assert_eq!(found, Refused::NoSuch { by, name });
    let found = draft(std::slice::from_ref(&module), "../CBLAPP01", "CBLAPP01", &interface);
    let name = "../CBLAPP01".to_owned();
    assert_eq!(found, Refused::Name { what: Named::Service, name });
    let found = draft(std::slice::from_ref(&module), "CBLAPP01", "CBLAPP01", "nothing");
    assert!(matches!(found, Refused::Interface { .. }), "{found:?}");
    // Two modules that do not agree on a file.
    let mut other = module.clone();
    other.files[0].organization = Organization::Relative;
    let found = draft(&[module, other], "CBLAPP01", "CBLAPP01", &interface);
    let name = "APPFILE01".to_owned();
    assert_eq!(found, Refused::Name { what: Named::File, name });
}
