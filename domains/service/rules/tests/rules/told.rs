//! Tables told as text; `TSUGI_WRITE_TABLE=1` writes them anew.

/// Fails at the first line that is not as the file says.
pub fn compare(file: &str, told: &str, now: &str) {
    if std::env::var_os("TSUGI_WRITE_TABLE").is_some() {
        let path = format!("{}/tests/rules/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, now).unwrap();
        return;
    }
    for (n, (now, told)) in now.lines().zip(told.lines()).enumerate() {
        assert_eq!(now, told, "line {} of {file}", n + 1);
    }
    assert_eq!(now.lines().count(), told.lines().count(), "lines of {file}");
}
