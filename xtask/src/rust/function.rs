//! Functions: their names, parameters and lengths.

use super::{closing, line, words};

/// A function with a body, or without one in a trait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Where `fn` stands.
    pub at: usize,
    /// Its name.
    pub name: String,
    /// How many parameters it has, `self` not counted.
    pub parameters: usize,
    /// The lines from `fn` to the last bracket.
    pub lines: usize,
}

/// Every function, also those inside others.
pub fn all(code: &str) -> Vec<Function> {
    words(code, "fn").filter_map(|at| function(code, at)).collect()
}

fn function(code: &str, at: usize) -> Option<Function> {
    let rest = code.get(at + 2..)?;
    let behind = rest.trim_start();
    let start = at + 2 + (rest.len() - behind.len());
    let long = behind.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    let name = behind.get(..long)?;
    if name.is_empty() {
        return None;
    }
    let open = parameters_open(code, start + long)?;
    let close = closing(code, open)?;
    let parameters = count(code.get(open + 1..close - 1)?);
    let tail = code.get(close..)?;
    let body = close + tail.find(['{', ';'])?;
    let end = if code.as_bytes().get(body) == Some(&b'{') { closing(code, body)? } else { body };
    let lines = line(code, end.saturating_sub(1)) - line(code, at) + 1;
    Some(Function { at, name: name.to_owned(), parameters, lines })
}

/// Skips the generics.
fn parameters_open(code: &str, from: usize) -> Option<usize> {
    let bytes = code.as_bytes();
    let mut depth = 0_i32;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'<' => depth += 1,
            b'>' if bytes.get(at - 1) != Some(&b'-') => depth -= 1,
            b'(' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

fn count(parameters: &str) -> usize {
    let mut depth = 0_i32;
    let mut parts = vec![String::new()];
    let mut before = ' ';
    for letter in parameters.chars() {
        match letter {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if before != '-' && before != '=' => depth -= 1,
            _ => {}
        }
        before = letter;
        if letter == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(letter);
        }
    }
    let counts = |part: &&String| {
        let part = part.trim();
        let own = part.split(':').next().unwrap_or_default();
        !part.is_empty() && words(own, "self").next().is_none()
    };
    parts.iter().filter(counts).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_without_self_and_through_generics() {
        let code = "fn a<F: Fn(u8) -> u8>(&mut self, f: F, m: Map<u8, u8>,) -> u8 {\n f(1)\n}";
        let found = all(code);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].parameters, found[0].lines), (2, 3));
    }

    #[test]
    fn a_function_without_a_body_has_one_line_and_a_pointer_type_is_none() {
        let found = all("trait T { fn a(&self); }\ntype P = fn(u8) -> u8;");
        let names: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.lines)).collect();
        assert_eq!(names, [("a", 1)]);
    }
}
