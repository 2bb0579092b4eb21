//! What a statement of a program may do: with its own tables everything but the transaction.

use std::sync::atomic::{AtomicU8, Ordering};

use rusqlite::hooks::{AuthAction, Authorization};

/// Whose statement is prepared or run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Whose {
    /// The store's own.
    Ours = 0,
    /// A program's: reads all, writes its own tables.
    Program = 1,
    /// A deploy's: makes and drops the programs' tables, too.
    Definition = 2,
}

/// Asked by SQLite for each part of each statement that it prepares. It is installed once:
/// installing it anew would expire every prepared statement.
#[derive(Debug)]
pub(super) struct Permit(AtomicU8);

impl Permit {
    pub(super) const fn new(whose: Whose) -> Self {
        Self(AtomicU8::new(whose as u8))
    }

    pub(super) fn set(&self, whose: Whose) {
        self.0.store(whose as u8, Ordering::Relaxed);
    }

    pub(super) fn answer(&self, action: &AuthAction<'_>) -> Authorization {
        let whose = self.0.load(Ordering::Relaxed);
        let allowed = whose == Whose::Ours as u8
            || used(action)
            || (whose == Whose::Definition as u8 && defined(action));
        if allowed { Authorization::Allow } else { Authorization::Deny }
    }
}

/// What every program may.
fn used(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => {
            !function_name.eq_ignore_ascii_case("load_extension")
        }
        AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name } => own(table_name),
        _ => false,
    }
}

/// What a definition may beside that. A trigger would write where its program may not, later.
fn defined(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::CreateTable { table_name } | AuthAction::DropTable { table_name } => {
            own(table_name)
        }
        AuthAction::CreateIndex { table_name, .. }
        | AuthAction::DropIndex { table_name, .. }
        | AuthAction::AlterTable { table_name, .. } => own(table_name),
        AuthAction::CreateView { view_name } | AuthAction::DropView { view_name } => own(view_name),
        AuthAction::Reindex { .. } => true,
        AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name } => table_name.eq_ignore_ascii_case("sqlite_master"),
        _ => false,
    }
}

/// Neither ours nor SQLite's.
fn own(table: &str) -> bool {
    let table = table.to_ascii_lowercase();
    !table.starts_with("tsugi_") && !table.starts_with("sqlite_")
}
