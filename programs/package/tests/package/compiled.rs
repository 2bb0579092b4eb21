//! Sources that are compiled by the real compiler; it costs a third of a second each.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tsugi_package::archive::{Content, Draft};
use tsugi_package::assembly::{Answered, Assembly, By, Loaded};
use tsugi_package::import::{Imported, NotImported, Proof, Request, import};
use tsugi_package::interface;
use tsugi_package::manifest::{Commits, Dialect, Form as DataForm};
use tsugi_record::Conversion;
use tsugi_record::code_page::CodePage;
use tsugi_record::source::Form;

/// Where the compiler is looked for; this test needs cobc: apt-get install gnucobol3.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

pub fn sources() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/package/sources")
}

/// A source of the report.
pub fn of_report(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../samples/report").join(name)
}

/// How a source of the report is imported.
pub fn request(source: &Path) -> Request<'_> {
    Request {
        source,
        name: None,
        form: Form::Free,
        code_page: CodePage::ShiftJis,
        dialect: Dialect::Mf,
        copybooks: &[],
        commits: Commits::Refused,
        others: &[],
        proof: Proof::None,
        path: OsStr::new(PATH),
        limit: Duration::from_secs(60),
    }
}

/// A source that a test has.
pub struct Written {
    _folder: TempDir,
    pub path: PathBuf,
}

pub fn written(name: &str, text: impl AsRef<[u8]>) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    Written { _folder: folder, path }
}

/// A program in free form: what stands before its data, and its statements. The statements begin
/// in the line behind PROCEDURE DIVISION.
pub fn program(files: &str, statements: &str) -> String {
    format!(
        "IDENTIFICATION DIVISION.\nPROGRAM-ID. P1.\nENVIRONMENT DIVISION.\n\
         INPUT-OUTPUT SECTION.\nFILE-CONTROL.\n{files}\nPROCEDURE DIVISION.\n{statements}\n"
    )
}

pub fn imported(text: &str) -> Result<Imported, NotImported> {
    let source = written("P1.cbl", text);
    import(&request(&source.path))
}

/// The report's service.
pub fn counting() -> Imported {
    import(&request(&of_report("CBLAPP01.cbl"))).unwrap()
}

/// Its interface as the report's engineers edited it.
pub fn edited(imported: &Imported) -> String {
    let conversion = Conversion::of(CodePage::ShiftJis);
    let text = interface::written(&imported.module.entry, &imported.interface, &conversion);
    text.replace("direction = \"io\"", "direction = \"out\"")
}

/// A package of the report: one service, its file and one record.
pub fn report(modules: &[Imported], interface: &str) -> Draft {
    let by = By::Cobol { entry: "CBLAPP01", interface };
    let content = Content::Bytes(fs::read(of_report("APPFILE01.dat")).unwrap());
    let (effects, order, quotas) = Default::default();
    let assembly = Assembly {
        name: "srv01",
        modules,
        services: &[Answered { name: "CBLAPP01", by, effects, order, quotas }],
        data: &[Loaded { file: "APPFILE01", form: DataForm::Records, content }],
        tables: None,
    };
    assembly.draft().unwrap()
}

/// What somebody compiles without us: the bytes of the shared object.
pub fn elsewhere(name: &str, text: &str, options: &[&str]) -> Vec<u8> {
    let source = written(&format!("{name}.cbl"), text);
    let object = source.path.with_extension("so");
    let mut command = Command::new("cobc");
    command.args(["-m", "-free", "-w", "-std=mf"]).args(options).arg("-o").arg(&object);
    let said = command.arg(&source.path).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    fs::read(object).unwrap()
}
