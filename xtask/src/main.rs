//! Checks of the house: `cargo xtask tidy` and `cargo xtask statements`. Neither ever writes.

mod finding;
mod rust;
mod statements;
mod tidy;
mod tree;

use std::process::ExitCode;

use finding::Finding;
use tree::Tree;

const USAGE: &str = "cargo xtask tidy        the rules of the house
cargo xtask statements  which of the 300 statements are covered, and by what";

fn main() -> ExitCode {
    let tree = match Tree::read(&tree::root()) {
        Ok(tree) => tree,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match std::env::args().nth(1).as_deref() {
        Some("tidy" | "verify") => tidy(&tree),
        Some("statements") => statements(&tree),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Some(_) | None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn tidy(tree: &Tree) -> ExitCode {
    let mut findings = Vec::new();
    for check in tidy::CHECKS {
        findings.extend((check.look)(tree));
    }
    let allowed = tidy::allowed::read(tree);
    let (findings, excused) = allowed.sift(findings);
    print(&findings);
    println!("{}", tidy::privileged::summary(tree));
    println!(
        "tidy: {} checks  {} files  {excused} allowed with a reason  {} findings",
        tidy::CHECKS.len(),
        tree.paths().count(),
        findings.len(),
    );
    verdict(&findings)
}

fn statements(tree: &Tree) -> ExitCode {
    let register = match statements::Register::read(tree) {
        Ok(register) => register,
        Err(finding) => {
            print(std::slice::from_ref(&finding));
            return verdict(&[finding]);
        }
    };
    let shown = statements::shown(tree);
    let findings = register.compare(&shown);
    for line in register.lines(&shown) {
        println!("{line}");
    }
    print(&findings);
    println!("covered {} of {}", register.covered(&shown), register.len());
    verdict(&findings)
}

fn print(findings: &[Finding]) {
    for finding in findings {
        println!("{finding}");
    }
}

fn verdict(findings: &[Finding]) -> ExitCode {
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
