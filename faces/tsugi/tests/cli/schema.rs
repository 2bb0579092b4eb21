//! JSON is a contract: every output is what its schema says, and schemas only gain fields.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn schema(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
    serde_json::from_str(&text).expect("a schema is JSON")
}

/// Checks an output against the schema that it names; returns the name.
#[track_caller]
pub fn check(output: &str) -> String {
    let value: Value = serde_json::from_str(output).unwrap_or_else(|e| panic!("{e}: {output}"));
    let name = value["schema"]["name"].as_str().expect("it names its schema").to_owned();
    let schema = schema(&name);
    let faults = faults(&value, &schema, &schema, "");
    assert!(faults.is_empty(), "{name}: {faults:?} in {output}");
    name
}

/// The parts of JSON Schema that the files use; a keyword that is not known here is a fault.
fn faults(value: &Value, schema: &Value, root: &Value, at: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (keyword, wants) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$schema" | "title" | "$defs" => {}
            "$ref" => {
                let pointer = wants.as_str().unwrap_or_default().trim_start_matches('#');
                let target = root.pointer(pointer).expect("a reference leads somewhere");
                out.extend(faults(value, target, root, at));
            }
            "type" if !is_of(value, wants) => out.push(format!("{at} is no {wants}")),
            "enum" if !wants.as_array().is_some_and(|all| all.contains(value)) => {
                out.push(format!("{at} is not among {wants}"));
            }
            "format" if !is_utc(value) => out.push(format!("{at} is no moment in UTC")),
            "type" | "enum" | "format" => {}
            "anyOf" => {
                let all = wants.as_array().into_iter().flatten();
                if all.clone().all(|one| !faults(value, one, root, at).is_empty()) {
                    out.push(format!("{at} is none of {wants}"));
                }
            }
            "required" => {
                for key in wants.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if value.get(key).is_none() {
                        out.push(format!("{at}.{key} is missing"));
                    }
                }
            }
            "properties" => {
                for (key, inner) in wants.as_object().into_iter().flatten() {
                    if let Some(found) = value.get(key) {
                        out.extend(faults(found, inner, root, &format!("{at}.{key}")));
                    }
                }
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object();
                for key in value.as_object().into_iter().flatten().map(|(k, _)| k) {
                    if known.is_none_or(|k| !k.contains_key(key)) {
                        out.push(format!("{at}.{key} is in no schema"));
                    }
                }
            }
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    out.extend(faults(item, wants, root, &format!("{at}[{n}]")));
                }
            }
            other => out.push(format!("the schema uses {other}")),
        }
    }
    out
}

fn is_of(value: &Value, wants: &Value) -> bool {
    match wants.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    }
}

fn is_utc(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    tsugi_wire::control::Utc::try_from(text.to_owned()).is_ok()
}

/// Every field of every schema as `NAME path`.
fn fields() -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for entry in std::fs::read_dir(folder()).expect("the folder of schemas").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "json") {
            let name = path.file_stem().and_then(|s| s.to_str()).expect("a name").to_owned();
            let root = schema(&name);
            walk(&root, &root, &format!("{name} "), &mut out, &mut Vec::new());
        }
    }
    out
}

fn walk(at: &Value, root: &Value, path: &str, out: &mut BTreeSet<String>, seen: &mut Vec<String>) {
    if let Some(reference) = at["$ref"].as_str() {
        if seen.iter().any(|s| s == reference) {
            return;
        }
        seen.push(reference.to_owned());
        let target = root.pointer(reference.trim_start_matches('#')).expect("leads somewhere");
        walk(target, root, path, out, seen);
        seen.pop();
    }
    for (key, inner) in at["properties"].as_object().into_iter().flatten() {
        out.insert(format!("{path}{key}"));
        walk(inner, root, &format!("{path}{key}."), out, seen);
    }
    if at["items"].is_object() {
        walk(&at["items"], root, path, out, seen);
    }
    for one in at["anyOf"].as_array().into_iter().flatten() {
        walk(one, root, path, out, seen);
    }
}

#[test]
fn fields_of_the_json_contract_are_only_added() {
    let kept = std::fs::read_to_string(folder().join("fields.txt")).expect("the list of fields");
    let now = fields();
    let gone: Vec<&str> = kept.lines().filter(|line| !now.contains(*line)).collect();
    assert!(gone.is_empty(), "these fields are gone: {gone:?}");
    let listed: BTreeSet<String> = kept.lines().map(str::to_owned).collect();
    let new: Vec<&String> = now.difference(&listed).collect();
    assert!(new.is_empty(), "add these to fields.txt: {new:?}");
}

#[test]
fn the_checker_of_schemas_finds_what_is_wrong() {
    let good = r#"{"schema":{"name":"tsugi.verified","version":1},"entries":1,"hash":"x",
        "observed_at":"2026-11-21T04:58:39.123Z","observed_by":"n1","broken_at":null}"#;
    assert_eq!(check(good), "tsugi.verified");
    let root = schema("tsugi.verified");
    for (from, to) in [
        ("\"entries\":1", "\"entries\":\"1\""),
        ("\"hash\":\"x\",", ""),
        ("39.123Z", "39Z"),
        ("\"broken_at\":null", "\"broken_at\":null,\"extra\":1"),
        ("\"version\":1", "\"version\":2"),
    ] {
        let value: Value = serde_json::from_str(&good.replace(from, to)).unwrap();
        assert!(!faults(&value, &root, &root, "").is_empty(), "{to}");
    }
}
