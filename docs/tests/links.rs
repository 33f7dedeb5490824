//! Every link of every document leads somewhere: to a file of the repository, and to a heading where it names one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every Markdown file that is the repository's own.
fn documents() -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![repository()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
            // `report` holds parts of a page that is made from them, with links as they are there.
            let foreign = ["target", "node_modules", ".git", "report"];
            if path.is_dir() && !foreign.contains(&name.to_str().unwrap()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// The text without blocks of code and without code in the line, where brackets are no links.
fn prose(document: &str) -> String {
    let mut in_block = false;
    let lines = document.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !in_block && !fence
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    text.split('`').step_by(2).collect()
}

/// What stands in `](...)`, and behind `[name]:` at the start of a line.
fn links(document: &str) -> Vec<String> {
    let text = prose(document);
    let inline = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
    let named =
        text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ").map(|(_, link)| link));
    inline.chain(named).map(|link| link.trim().to_owned()).collect()
}

/// The anchors that a document's headings have: small letters, digits and underscores, with hyphens for spaces.
fn anchors(document: &str) -> Vec<String> {
    let mut in_block = false;
    let headings = document.lines().filter(|line| {
        in_block ^= line.starts_with("```");
        !in_block && line.starts_with('#')
    });
    let anchor = |heading: &str| -> String {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        text.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// Why a link of a document leads nowhere.
fn broken(from: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() { from.to_path_buf() } else { from.parent().unwrap().join(path) };
    // Names of Rust items are rustdoc's to check.
    if path.contains("::") {
        return None;
    }
    if !target.exists() {
        return Some(format!("{}: no file {link}", from.display()));
    }
    let anchor = anchor?;
    let has = anchors(&fs::read_to_string(&target).unwrap()).iter().any(|known| known == anchor);
    (!has).then(|| format!("{}: no heading {link}", from.display()))
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_that_are_there() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for document in documents() {
        for link in links(&fs::read_to_string(&document).unwrap()) {
            seen += 1;
            wrong.extend(broken(&document, &link));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 50, "only {seen} links were seen");
}

#[test]
fn a_link_that_leads_nowhere_is_noticed() {
    let text = "# A b, c!\n[x](no.md) `[y](code.md)` [z][n]\n```\n[w](block.md)\n# no heading\n```\n[n]: README.md#a-b-c\n";
    assert_eq!(links(text), ["no.md", "README.md#a-b-c"]);
    assert_eq!(anchors(text), ["a-b-c"]);
    let readme = repository().join("README.md");
    assert!(broken(&readme, "no.md").is_some() && broken(&readme, "README.md#no-such-heading").is_some());
    assert!(broken(&readme, "SECURITY.md#threats").is_none() && broken(&readme, "#guides").is_none());
    assert!(broken(&readme, "https://example.com/no.md").is_none());
}
