//! Which language a person reads.

use std::fmt;
use std::str::FromStr;

/// The two languages of every text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Language {
    /// Japanese.
    Ja,
    /// English.
    #[default]
    En,
}

/// A language that was asked for by name and that there is no text in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownLanguage {
    /// What was asked for.
    pub asked: String,
}

impl fmt::Display for UnknownLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::phrase::unknown_language(&self.asked).text(Language::En).fmt(f)
    }
}

impl std::error::Error for UnknownLanguage {}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(asked: &str) -> Result<Self, UnknownLanguage> {
        match asked.trim().to_ascii_lowercase().as_str() {
            "ja" => Ok(Self::Ja),
            "en" => Ok(Self::En),
            _ => Err(UnknownLanguage { asked: asked.to_owned() }),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Language {
    /// `ja` or `en`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }

    /// From a locale such as `ja_JP.UTF-8`; another language than Japanese is answered in English.
    #[must_use]
    pub fn from_locale(locale: &str) -> Self {
        let language = locale.split(['_', '.', '@', '-']).next().unwrap_or_default();
        match language.to_ascii_lowercase().as_str() {
            "ja" | "japanese" => Self::Ja,
            _ => Self::En,
        }
    }

    /// `--lang`, else the configuration, else the environment, the first that says anything.
    ///
    /// # Errors
    /// A language asked for by `--lang` or the configuration that there is no text in.
    pub fn resolve(
        flag: Option<&str>,
        configuration: Option<&str>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, UnknownLanguage> {
        if let Some(asked) = flag.or(configuration) {
            return asked.parse();
        }
        let said = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(environment);
        let first = said.into_iter().find(|locale| !locale.is_empty());
        Ok(first.map_or(Self::En, |locale| Self::from_locale(&locale)))
    }

    /// [`Language::resolve`] with this process's own environment.
    ///
    /// # Errors
    /// As [`Language::resolve`].
    pub fn here(flag: Option<&str>, configuration: Option<&str>) -> Result<Self, UnknownLanguage> {
        Self::resolve(flag, configuration, |name| std::env::var(name).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
    }

    #[test]
    fn the_flag_wins_over_the_configuration_and_that_over_the_environment() {
        let japan = with(&[("LANG", "ja_JP.UTF-8")]);
        assert_eq!(Language::resolve(Some("en"), Some("ja"), &japan), Ok(Language::En));
        assert_eq!(Language::resolve(None, Some("en"), &japan), Ok(Language::En));
        assert_eq!(Language::resolve(None, None, &japan), Ok(Language::Ja));
    }

    #[test]
    fn lc_all_wins_over_lang_and_an_empty_one_says_nothing() {
        let both = with(&[("LC_ALL", "C"), ("LANG", "ja_JP.UTF-8")]);
        assert_eq!(Language::resolve(None, None, both), Ok(Language::En));
        let empty = with(&[("LC_ALL", ""), ("LANG", "ja_JP.UTF-8")]);
        assert_eq!(Language::resolve(None, None, empty), Ok(Language::Ja));
        assert_eq!(Language::resolve(None, None, with(&[])), Ok(Language::En));
    }

    #[test]
    fn a_language_without_texts_is_refused_by_name_but_a_locale_is_not() {
        let refused = Language::resolve(Some("fr"), None, with(&[]));
        assert_eq!(refused, Err(UnknownLanguage { asked: "fr".to_owned() }));
        assert!(refused.unwrap_err().to_string().contains("fr"));
        assert_eq!(Language::from_locale("fr_FR.UTF-8"), Language::En);
    }
}
