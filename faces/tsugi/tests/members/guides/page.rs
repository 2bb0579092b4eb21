//! A page as steps: what happens, what is typed and what is shown for it, which files there are.

/// The nodes that a page may name.
pub const NODES: [&str; 4] = ["node1", "node2", "node3", "witness"];
/// What stands before a part of a configuration, so that it can be validated.
const HEAD: &str = "[cluster]\nname = \"payment\"\n\
    [node.node1]\naddress = [\"10.0.1.1\", \"10.0.2.1\"]\n\
    [node.node2]\naddress = [\"10.0.1.2\", \"10.0.2.2\"]\n\
    [node.node3]\naddress = [\"10.0.1.3\", \"10.0.2.3\"]\n";
/// How a line says with which code its command ends, if not with 0.
const ENDS: [&str; 2] = [" # exits ", " # 終了コード "];
/// Blocks that nobody types.
const ONLY_SHOWN: [&str; 4] = ["text", "bat", "ini", "ksh"];

/// One page.
pub struct Page {
    pub scene: String,
    pub steps: Vec<Step>,
}

/// What comes next on a page.
pub enum Step {
    /// Something happens.
    Then(String),
    /// A file or a part of one is shown.
    Block(Block),
    /// A command is typed.
    Command(Command),
}

/// A file, a part of one, or a text.
pub struct Block {
    pub kind: String,
    /// Where it is to stand, if it says so in its first lines.
    pub path: Option<String>,
    pub text: String,
}

/// A command with what is shown of its answer.
pub struct Command {
    /// The line of the page.
    pub at: usize,
    /// Where it is typed, one after the other.
    pub nodes: Vec<String>,
    pub words: String,
    pub code: i32,
    /// What is typed when it asks.
    pub typed: String,
    pub shown: String,
}

impl Page {
    /// Reads a page.
    pub fn read(text: &str) -> Result<Self, String> {
        let (mut scene, mut steps) = (None, Vec::new());
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        while let Some((at, line)) = lines.next() {
            if let Some(said) = line.strip_prefix("<!-- ") {
                let said = said.strip_suffix(" -->").ok_or(format!("{at}: a comment of a line"))?;
                match said.split_once(": ") {
                    Some(("scene", name)) if scene.is_none() => scene = Some(name.to_owned()),
                    Some(("then", what)) if scene.is_some() => {
                        steps.push(Step::Then(what.to_owned()));
                    }
                    _ => return Err(format!("{at}: no comment that is understood: {said}")),
                }
            }
            let Some(kind) = line.strip_prefix("```") else { continue };
            let block = lines.by_ref().take_while(|(_, line)| *line != "```");
            let block: Vec<(usize, &str)> = block.collect();
            match kind {
                "console" => steps.extend(commands(&block)?.into_iter().map(Step::Command)),
                "toml" | "sh" => steps.push(Step::Block(shown(kind, &block))),
                _ if ONLY_SHOWN.contains(&kind) => steps.push(Step::Block(shown(kind, &block))),
                _ => return Err(format!("{at}: a block of a kind that nobody tests: {kind:?}")),
            }
        }
        let scene = scene.ok_or("it names no scene")?;
        Ok(Self { scene, steps })
    }

    /// The texts of all blocks of a kind.
    pub fn shown(&self, kind: &str) -> Vec<String> {
        let of = |step: &Step| match step {
            Step::Block(block) if block.kind == kind => Some(block.text.clone()),
            Step::Block(_) | Step::Then(_) | Step::Command(_) => None,
        };
        self.steps.iter().filter_map(of).collect()
    }

    /// Every configuration; a part of one with a head before it.
    pub fn configurations(&self) -> Vec<String> {
        let whole = |text: String| match text.contains("[cluster]") {
            true => text,
            false => format!("{HEAD}{text}"),
        };
        self.shown("toml").into_iter().map(whole).collect()
    }
}

fn shown(kind: &str, block: &[(usize, &str)]) -> Block {
    let path = block.iter().take(2).find_map(|(_, line)| line.strip_prefix("# /"));
    let text = block.iter().map(|(_, line)| format!("{line}\n")).collect();
    Block { kind: kind.to_owned(), path: path.map(|path| format!("/{path}")), text }
}

fn commands(block: &[(usize, &str)]) -> Result<Vec<Command>, String> {
    let mut out: Vec<Command> = Vec::new();
    let mut nodes = vec![NODES[0].to_owned()];
    for (at, line) in block {
        if let Some(said) = line.strip_prefix("# ") {
            nodes = named(said);
            if nodes.is_empty() {
                return Err(format!("{at}: a remark that names no node: {said}"));
            }
        } else if let Some(typed) = line.strip_prefix("$ ") {
            let (words, code) = ended(typed).ok_or(format!("{at}: with which code?"))?;
            let nodes = nodes.clone();
            let (typed, shown) = (String::new(), String::new());
            out.push(Command { at: *at, nodes, words, code, typed, shown });
        } else {
            let last = out.last_mut().ok_or(format!("{at}: an answer before any command"))?;
            match line.strip_prefix("> ") {
                Some(typed) => last.typed += &format!("{typed}\n"),
                None => last.shown += &format!("{line}\n"),
            }
        }
    }
    Ok(out)
}

/// The nodes that a remark names, in its order.
fn named(said: &str) -> Vec<String> {
    let words = said.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| NODES.contains(word)).map(str::to_owned).collect()
}

/// A command and its exit code.
fn ended(typed: &str) -> Option<(String, i32)> {
    let Some((words, code)) = ENDS.iter().find_map(|ends| typed.split_once(ends)) else {
        return Some((typed.trim_end().to_owned(), 0));
    };
    Some((words.trim_end().to_owned(), code.trim().parse().ok()?))
}

impl Step {
    /// Without what each language has of its own: answers, remarks, and words in quotes.
    pub fn bare(&self) -> String {
        match self {
            Self::Then(what) => format!("then {what}"),
            Self::Block(block) => {
                let ours = |line: &&str| !line.trim_start().starts_with(['#', ';']);
                let lines = block.text.lines().map(before_remark).filter(ours);
                let lines: Vec<&str> = lines.map(str::trim_end).collect();
                let text = match block.kind.as_str() {
                    // What is neither typed nor read by a program may be in words.
                    "text" => String::new(),
                    _ => lines.join("\n"),
                };
                format!("{} {:?}\n{text}", block.kind, block.path)
            }
            Self::Command(command) => {
                let words: Vec<&str> = command.words.split('"').step_by(2).collect();
                let nodes = command.nodes.join(" ");
                format!("{nodes}$ {} {} {}", words.join("\"…\""), command.typed, command.code)
            }
        }
    }
}

/// A line without the remark behind it.
fn before_remark(line: &str) -> &str {
    line.split_once("  # ").map_or(line, |(before, _)| before)
}
