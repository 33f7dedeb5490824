//! The `# Architecture` section of each crate names the modules that it has, and no others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

/// Public modules that a crate's first file declares, but for those that hold documents or fuzz.
fn declared(source: &str) -> BTreeSet<String> {
    let names = source.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.filter(|name| !["guide", "fuzzing"].contains(name)).map(ToOwned::to_owned).collect()
}

/// Modules in the first column of the table under `# Architecture`.
fn described(source: &str) -> BTreeSet<String> {
    let docs: Vec<_> = source.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let section = docs.split(|line| *line == "# Architecture").nth(1).unwrap();
    let rows =
        section.iter().take_while(|line| !line.starts_with("# ")).filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split('|').next());
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(|name| *name != "guide");
    names.map(ToOwned::to_owned).collect()
}

#[test]
fn the_architecture_in_the_documentation_is_that_of_the_code() {
    for name in ["sc-core", "sc-std"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name).join("src/lib.rs");
        let source = std::fs::read_to_string(path).unwrap();
        assert_eq!(described(&source), declared(&source), "{name}");
        assert!(declared(&source).len() > 10, "{name}");
    }
}

#[test]
fn a_module_that_is_missing_on_one_side_is_noticed() {
    let source = "//! # Architecture\n//!\n//! | module | holds |\n//! |---|---|\n//! | [`a`], `b` | `c` |\n//! # More\npub mod a;\nmod d;\n";
    assert_eq!(declared(source), BTreeSet::from(["a".to_owned()]));
    assert_eq!(described(source), BTreeSet::from(["a".to_owned(), "b".to_owned()]));
}
