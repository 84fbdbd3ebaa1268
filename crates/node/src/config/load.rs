//! From a file and the environment to a configuration, or to a list of what is wrong, where, and what to do.

use super::{Config, validate};
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// Variables that begin so override the file: `PATCHBAY_SIP__LISTEN` is `listen` in `[sip]`.
pub const ENV_PREFIX: &str = "PATCHBAY_";

/// Variables with the prefix that are no settings.
const NOT_SETTINGS: &[&str] = &["PATCHBAY_CONFIG", "PATCHBAY_SERVER"];

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line of the file, counted from 1; `None` if the trouble is elsewhere.
    pub line: Option<usize>,
    /// The key or the environment variable.
    pub key: String,
    /// What is wrong, and what to do.
    pub text: String,
}

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Everything found, in order of the file.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map_or_else(|| "configuration".to_owned(), |p| p.display().to_string());
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&file)?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            if problem.key.is_empty() {
                write!(f, ": {}", problem.text)?;
            } else {
                write!(f, ": {}: {}", problem.key, problem.text)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Reads the file (none: defaults) and applies the environment.
pub fn load(file: Option<&Path>, env: impl IntoIterator<Item = (String, String)>) -> Result<Config, ConfigError> {
    let text = match file {
        None => String::new(),
        Some(path) => std::fs::read_to_string(path).map_err(|e| ConfigError {
            file: Some(path.to_owned()),
            problems: vec![Problem { line: None, key: String::new(), text: format!("cannot be read: {e}") }],
        })?,
    };
    parse(&text, env).map_err(|problems| ConfigError { file: file.map(Path::to_owned), problems })
}

/// The same from a text in memory.
pub fn parse(text: &str, env: impl IntoIterator<Item = (String, String)>) -> Result<Config, Vec<Problem>> {
    let mut config: Config = toml::from_str(text).map_err(|e| vec![of_toml(text, &e)])?;
    let mut table: toml::Table = toml::from_str(text).map_err(|e| vec![of_toml(text, &e)])?;
    let mut problems = Vec::new();
    let mut overridden = Vec::new();
    let mut env: Vec<_> = env.into_iter().filter(|(name, _)| is_setting(name)).collect();
    env.sort();
    for (name, value) in env {
        let path = name[ENV_PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
        match override_with(&mut table, &path, &value) {
            Ok(changed) => {
                config = changed;
                overridden.push((path, name));
            }
            Err(text) => problems.push(Problem { line: None, key: name, text }),
        }
    }
    let lines = Lines::of(text);
    for finding in validate::findings(&config) {
        match overridden.iter().find(|(path, _)| *path == finding.key) {
            Some((_, name)) => problems.push(Problem { line: None, key: name.clone(), text: finding.text }),
            None => problems.push(Problem { line: lines.line(&finding.key), key: finding.key, text: finding.text }),
        }
    }
    problems.sort_by_key(|p| p.line);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn is_setting(name: &str) -> bool {
    name.starts_with(ENV_PREFIX) && !NOT_SETTINGS.contains(&name)
}

/// Sets one key. The value is read as TOML, and as a plain string where that does not fit: `9999`, `true`, `text` and `["a", "b"]` all work.
fn override_with(table: &mut toml::Table, path: &str, value: &str) -> Result<Config, String> {
    let readings = [
        toml::from_str::<toml::Table>(&format!("v = {value}")).ok().and_then(|mut t| t.remove("v")),
        Some(toml::Value::String(value.to_owned())),
    ];
    let mut error = String::new();
    for reading in readings.into_iter().flatten() {
        let mut changed = table.clone();
        set(&mut changed, path, reading)?;
        match Config::deserialize(changed.clone()) {
            Ok(config) => {
                *table = changed;
                return Ok(config);
            }
            Err(e) => error = first_line(e.message()).to_owned(),
        }
    }
    Err(error)
}

fn set(table: &mut toml::Table, path: &str, value: toml::Value) -> Result<(), String> {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
            Ok(())
        }
        Some((section, rest)) => {
            let inner = table.entry(section.to_owned()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let inner =
                inner.as_table_mut().ok_or_else(|| format!("`{section}` is no section with keys of its own"))?;
            set(inner, rest, value)
        }
    }
}

fn of_toml(text: &str, error: &toml::de::Error) -> Problem {
    let line = error.span().map(|span| line_at(text, span.start));
    let mut said = error.message().trim().replace('\n', " ");
    if said.starts_with("unknown field") {
        said.push_str("; check the spelling, deploy/patchbay.toml shows every key");
    }
    Problem { line, key: String::new(), text: said }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}

/// Where in the file a key stands.
struct Lines<'a> {
    text: &'a str,
    table: Option<DeTable<'a>>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, table: DeTable::parse(text).ok().map(toml::Spanned::into_inner) }
    }

    /// The line of `path`, or of the nearest thing around it that is in the file.
    fn line(&self, path: &str) -> Option<usize> {
        let mut table = self.table.as_ref()?;
        let mut found = None;
        let mut parts = path.split('.');
        while let Some(part) = parts.next() {
            let Some((key, value)) = table.get_key_value(part) else { break };
            found = Some(key.span().start);
            table = match value.get_ref() {
                toml::de::DeValue::Table(inner) => inner,
                toml::de::DeValue::Array(items) => {
                    let index = parts.next().and_then(|i| i.parse::<usize>().ok());
                    let Some(item) = index.and_then(|i| items.get(i)) else { break };
                    found = Some(item.span().start);
                    let toml::de::DeValue::Table(inner) = item.get_ref() else { break };
                    inner
                }
                _ => break,
            };
        }
        Some(line_at(self.text, found?))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
