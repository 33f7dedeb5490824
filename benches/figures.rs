//! Figures that are not criterion's, one JSON object a line: what an example or a script measured, for the report to read.
//!
//! They lie in `target/figures/{name}.jsonl`, beside `target/criterion`. Scripts in other languages print the same lines.

use std::fs::{self, File};
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One measured value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What was measured: `loopback`, `million`, `cores`, `seal`.
    pub name: String,
    /// Who or which way: `sealed, aws-lc-rs`.
    pub case: String,
    /// What it was measured at, mostly a number: bytes of plaintext, live sessions, cores.
    pub parameter: String,
    /// The value, in `unit`; finite.
    pub value: f64,
    /// `requests/s`, `bytes`, `ns`.
    pub unit: String,
}

/// Writes the figures of one program.
#[derive(Debug)]
pub struct Figures {
    name: String,
    file: File,
}

impl Figures {
    /// Begins `target/figures/{name}.jsonl`, and forgets what an earlier run left there.
    ///
    /// # Errors
    /// The folder or the file cannot be made.
    pub fn create(name: &str) -> Result<Self> {
        Self::create_in(&target().join("figures"), name)
    }

    fn create_in(folder: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let file = File::create(folder.join(name).with_extension("jsonl"))?;
        Ok(Self { name: name.to_owned(), file })
    }

    /// Writes one value at once, so that a program that fails later leaves what it had.
    ///
    /// # Errors
    /// The value is not finite, or the file cannot be written.
    pub fn add(&mut self, case: &str, parameter: &str, value: f64, unit: &str) -> Result<()> {
        if !value.is_finite() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{case} at {parameter}: {value} is no figure"),
            ));
        }
        let figure = Figure {
            name: self.name.clone(),
            case: case.to_owned(),
            parameter: parameter.to_owned(),
            value,
            unit: unit.to_owned(),
        };
        let line = serde_json::to_string(&figure)? + "\n";
        self.file.write_all(line.as_bytes())
    }

    /// All figures of all `.jsonl` files in `folder`, in the order of the files' names; none if there is no such folder.
    ///
    /// # Errors
    /// A file cannot be read, or holds a line that is not a figure: the error names both.
    pub fn read_all(folder: &Path) -> Result<Vec<Figure>> {
        let mut files = match fs::read_dir(folder) {
            Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
        files.sort();
        let mut figures = Vec::new();
        for file in files {
            for (index, line) in fs::read_to_string(&file)?.lines().enumerate() {
                let figure = serde_json::from_str(line).map_err(|error| {
                    Error::new(ErrorKind::InvalidData, format!("{}:{}: {error}", file.display(), index + 1))
                })?;
                figures.push(figure);
            }
        }
        Ok(figures)
    }
}

/// The build's folder: `CARGO_TARGET_DIR`, seen from the workspace if it is relative, or `target`.
#[must_use]
pub fn target() -> PathBuf {
    workspace().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The workspace's folder.
#[must_use]
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_an_earlier_run_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        Figures::create_in(folder.path(), "loopback").unwrap().add("old", "1", 1.0, "ns").unwrap();
        let mut figures = Figures::create_in(folder.path(), "loopback").unwrap();
        figures.add("sealed, \"aws-lc-rs\"", "28", 12_345.6, "requests/s").unwrap();
        figures.add("plain", "28", 2.0, "requests/s").unwrap();
        fs::write(folder.path().join("notes.txt"), "not a figure").unwrap();
        let read = Figures::read_all(folder.path()).unwrap();
        let cases: Vec<_> = read.iter().map(|f| (f.name.as_str(), f.case.as_str(), f.value)).collect();
        assert_eq!(cases, [("loopback", "sealed, \"aws-lc-rs\"", 12_345.6), ("loopback", "plain", 2.0)]);
    }

    #[test]
    fn a_value_that_is_no_number_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut figures = Figures::create_in(folder.path(), "cores").unwrap();
        for value in [f64::NAN, f64::INFINITY] {
            assert_eq!(figures.add("a", "1", value, "ns").unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        assert!(Figures::read_all(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn a_line_that_is_no_figure_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let good = r#"{"name":"a","case":"b","parameter":"1","value":1,"unit":"ns"}"#;
        fs::write(folder.path().join("peers.jsonl"), format!("{good}\n{{\"name\":\"a\"}}\n")).unwrap();
        let error = Figures::read_all(folder.path()).unwrap_err().to_string();
        assert!(error.contains("peers.jsonl:2: missing field"), "{error}");
    }

    #[test]
    fn no_folder_means_no_figures() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Figures::read_all(&folder.path().join("figures")).unwrap().is_empty());
    }
}
