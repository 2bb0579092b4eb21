//! Why no package was made, as messages by line.

use std::io::ErrorKind;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use tsugi_messages::{self as messages, Message, Phrase, phrase};
use tsugi_package::import::{Bypass, Effect, NotImported, Phase};
use tsugi_package::interface::Unfit;
use tsugi_package::{Failed, Refused, Trouble};

use crate::exit::Exit;
use crate::out::{Form, Observed, Out, Schema};

/// What the modules of are known.
const KNOWN: &str = "GnuCOBOL 3.1.2";

/// Why there is no package: a message for each line that it is about.
pub(in crate::run) struct No {
    pub exit: Exit,
    /// Lines of the source or of its interface; 0 where it is about the whole.
    pub problems: Vec<(u32, Message)>,
}

impl No {
    fn one(exit: Exit, line: u32, message: Message) -> Self {
        Self { exit, problems: vec![(line, message)] }
    }

    /// It is refused, whole.
    pub fn whole(message: Message) -> Self {
        Self::one(Exit::Refused, 0, message)
    }

    /// Something of the system failed.
    pub fn failed(failed: &Failed) -> Self {
        let exit = match failed.why.kind() {
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::PermissionDenied => Exit::NotPermitted,
            _ => Exit::Failed,
        };
        let message = messages::package_not_made(failed.path.display(), &failed.why);
        Self::one(exit, 0, message)
    }

    /// A package was not taken.
    pub fn package(path: &Path, trouble: &Trouble) -> Self {
        match trouble {
            Trouble::Failed(failed) => Self::failed(failed),
            Trouble::Refused(refused) => Self::refused(path, refused),
        }
    }

    /// A package that does not agree with itself, or with its source.
    pub fn refused(path: &Path, refused: &Refused) -> Self {
        match refused {
            Refused::Interface { why, .. } => Self::interface(path, why),
            other => Self::whole(messages::package_refused(path.display(), other)),
        }
    }

    /// An interface that does not agree with its source.
    pub fn interface(path: &Path, unfit: &Unfit) -> Self {
        let line = u32::try_from(unfit.line).unwrap_or(u32::MAX);
        let item = unfit.item.as_ref().map(|item| format!("{item}: ")).unwrap_or_default();
        let detail = format!("{item}{}", unfit.why);
        let message = messages::interface_refused(path.display(), line, detail);
        Self::one(Exit::Refused, line, message)
    }

    /// A program that was not imported.
    pub fn import(out: &Out, source: &Path, why: &NotImported) -> Self {
        let path = source.display();
        match why {
            NotImported::NoCompiler => {
                Self::one(Exit::NotFound, 0, messages::compiler_missing(path))
            }
            NotImported::Compiler { found } => {
                Self::whole(messages::compiler_unknown(found, KNOWN))
            }
            NotImported::Name { name } => Self::whole(messages::program_name_wrong(name)),
            NotImported::Refused { says, .. } => Self::said(source, says),
            NotImported::TooLong { phase } => {
                let what = of_phase(*phase).text(out.language);
                Self::one(Exit::Failed, 0, messages::import_too_long(path, what))
            }
            NotImported::Interface(refused) => {
                let detail = told(refused.item.as_deref(), &refused.why);
                let (at, line) = (&refused.at, refused.at.line);
                let message = messages::parameters_refused(&at.file, line, detail);
                Self::one(Exit::Refused, line, message)
            }
            NotImported::Bypasses(found) => {
                let one = |finding: &tsugi_package::import::Finding| {
                    let what = of_bypass(&finding.what).text(out.language);
                    let (file, line) = (&finding.at.file, finding.at.line);
                    (line, messages::source_bypasses(file, line, what))
                };
                Self { exit: Exit::Refused, problems: found.iter().map(one).collect() }
            }
            NotImported::Layout(differs) => {
                let detail = told(Some(&differs.item), &differs.what);
                let (file, line) = (&differs.at.file, differs.at.line);
                let message = messages::layout_differs(file, line, detail);
                Self::one(Exit::Refused, line, message)
            }
            NotImported::Module(why) => Self::whole(messages::module_refused(path, why)),
            NotImported::File { file, at } => {
                let message = messages::file_declared_twice(&at.file, at.line, file);
                Self::one(Exit::Refused, at.line, message)
            }
            NotImported::Records { file, at, says } => {
                let message = messages::file_records_refused(&at.file, at.line, file, says);
                Self::one(Exit::Refused, at.line, message)
            }
            NotImported::CodePage { page, at } => {
                let page = word(page);
                let message = messages::source_code_page(&at.file, at.line, page);
                Self::one(Exit::Refused, at.line, message)
            }
            NotImported::Failed(failed) => Self::failed(failed),
        }
    }

    /// What the compiler says: `FILE:LINE: error: …`, a message for each line.
    fn said(source: &Path, says: &str) -> Self {
        let one = |text: &str| {
            let (file, rest) = text.split_once(':')?;
            let (line, detail) = rest.split_once(':')?;
            let line: u32 = line.trim().parse().ok()?;
            let detail = detail.trim().trim_start_matches("error: ");
            Some((line, messages::source_refused(file, line, detail)))
        };
        let mut problems: Vec<_> = says.lines().filter_map(one).collect();
        if problems.is_empty() {
            problems.push((0, messages::source_refused(source.display(), 0_u32, says.trim())));
        }
        Self { exit: Exit::Refused, problems }
    }

    /// Tells it all, and how that ends the command.
    pub fn tell(&self, out: &Out, of: &Path) -> Exit {
        for (_, message) in &self.problems {
            out.tell(message);
        }
        if out.form == Form::Json {
            let one = |(line, message): &(u32, Message)| {
                let message = message.to_json(out.language);
                json!({"line": line, "message": message})
            };
            let problems: Vec<Value> = self.problems.iter().map(one).collect();
            let file = of.display().to_string();
            let content = json!({"file": file, "valid": false, "problems": problems});
            out.json(Schema::first("tsugi.validation"), &Observed::here(), &content);
        }
        self.exit
    }
}

/// The word of a value, as JSON has it.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// What is refused of an item, by its word and what belongs to it.
fn told(item: Option<&str>, why: &impl Serialize) -> String {
    let item = item.map(|item| format!("{item}: ")).unwrap_or_default();
    let value = serde_json::to_value(why).unwrap_or_default();
    let named = value.as_object().into_iter().flatten();
    let words = named.map(|(_, value)| match value {
        Value::String(word) => word.clone(),
        other => other.to_string(),
    });
    let words: Vec<_> = words.collect();
    format!("{item}{}", if words.is_empty() { word(why) } else { words.join(" ") })
}

fn of_phase(phase: Phase) -> Phrase {
    match phase {
        Phase::Identify => phrase::phase_identify(),
        Phase::Expand => phrase::phase_expand(),
        Phase::Compile => phrase::phase_compile(),
        Phase::CompileProbe => phrase::phase_compile_probe(),
        Phase::RunProbe => phrase::phase_run_probe(),
        Phase::RunProgram => phrase::phase_run_program(),
    }
}

fn of_bypass(bypass: &Bypass) -> Phrase {
    match bypass {
        Bypass::SortsFiles { verb } => phrase::bypass_sorts_files(verb),
        Bypass::DeletesFile => phrase::bypass_deletes_file(),
        Bypass::Unlocks => phrase::bypass_unlocks(),
        Bypass::Commits => phrase::bypass_commits(),
        Bypass::RollsBack => phrase::bypass_rolls_back(),
        Bypass::Cancels { target } => phrase::bypass_cancels(target),
        Bypass::CallsFiles { name } => phrase::bypass_calls_files(name),
        Bypass::CallsSystem { name } => phrase::bypass_calls_system(name),
        Bypass::Embeds { language } => phrase::bypass_embeds(language),
    }
}

/// What reaches beyond the store, in words.
pub(super) fn of_effect(effect: &Effect) -> Phrase {
    match effect {
        Effect::Calls { name } => phrase::effect_calls(name),
        Effect::CallsByItem { item } => phrase::effect_calls_by_item(item),
        Effect::CallsFunction { name } => phrase::effect_calls_function(name),
        Effect::Accepts { from } => phrase::effect_accepts(from),
        Effect::Displays { upon } => phrase::effect_displays(upon),
        Effect::SetsEnvironment => phrase::effect_sets_environment(),
        Effect::Device { file, device } => phrase::effect_device(file, device),
        Effect::FileByItem { file, item } => phrase::effect_file_by_item(file, item),
        Effect::DoesNothing { verb } => phrase::effect_does_nothing(verb),
        Effect::Stops => phrase::effect_stops(),
    }
}
